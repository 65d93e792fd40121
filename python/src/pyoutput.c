/* Pro._promp.Output: sys.stdout and sys.stderr of a worker. A text object of our own, since io.TextIOWrapper merges the
 * writes of print('a', 'b') into one: here each write() is one record, and none is kept back. */
#include "pyworker.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

/* Output of a process whose worker is over, of finalizers, say. It is read only when the process has ended: what does not
 * fit into the pipe is dropped, and must not keep the process from ending. */
static void write_plain(int stream, const char *data, size_t size)
{
    while (size) {
        struct pollfd room = {stream, POLLOUT, 0};
        if (poll(&room, 1, 0) <= 0)
            return;
        ssize_t n = write(stream, data, size < PIPE_BUF ? size : PIPE_BUF);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        data += n;
        size -= (size_t)n;
    }
}

static promp_err_t write_once(promp_pyworker_t *self, int stream, const char *data, size_t size)
{
    promp_worker_t *worker = self->worker;
    promp_err_t error = PROMP_OK;
    if (worker) {
        PyThreadState *saved = promp_pyworker_let(self);
        error = promp_worker_print(worker, stream, data, size);
        promp_pyworker_back(self, saved);
    } else {
        Py_BEGIN_ALLOW_THREADS
        write_plain(stream, data, size);
        Py_END_ALLOW_THREADS
    }
    return error;
}

int promp_pyoutput_write_bytes(promp_pyworker_t *self, int stream, const char *data, size_t size)
{
    promp_err_t error;
    do {
        error = write_once(self, stream, data, size);
        if (PyErr_CheckSignals() < 0)
            return -1;
    } while (error == PROMP_ERR_STATE);
    if (error == PROMP_ERR_MEMORY || error == PROMP_ERR_VALUE_SIZE) {
        promp_state_raise(self->state, error, NULL);
        return -1;
    }
    return 0;
}

int promp_pyoutput_write(promp_pyworker_t *self, int stream, PyObject *text)
{
    PyObject *encoded = NULL;
    Py_ssize_t size;
    char *data = (char *)PyUnicode_AsUTF8AndSize(text, &size);
    if (!data) {
        PyErr_Clear();
        encoded = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
        if (!encoded || PyBytes_AsStringAndSize(encoded, &data, &size) < 0) {
            Py_XDECREF(encoded);
            return -1;
        }
    }
    int result = promp_pyoutput_write_bytes(self, stream, data, (size_t)size);
    Py_XDECREF(encoded);
    return result;
}

/* --- the objects --- */

typedef struct {
    PyObject ob_base;
    promp_pyworker_t *worker;
    PyObject *buffer; /* Output only: the OutputBuffer of the same stream */
    int stream;       /* also the descriptor that native code writes the same output to */
} output_t;

static output_t *new_output(PyTypeObject *type, promp_pyworker_t *worker, int stream)
{
    output_t *self = (output_t *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    self->worker = (promp_pyworker_t *)Py_NewRef((PyObject *)worker);
    self->stream = stream;
    return self;
}

PyObject *promp_pyoutput_new(promp_pyworker_t *worker, int stream)
{
    output_t *self = new_output(worker->state->output, worker, stream);
    if (self && !(self->buffer = (PyObject *)new_output(worker->state->buffer, worker, stream)))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void output_dealloc(output_t *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF(self->buffer);
    Py_XDECREF((PyObject *)self->worker);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *output_write(output_t *self, PyObject *text)
{
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "write() argument must be str");
        return NULL;
    }
    Py_ssize_t length = PyUnicode_GetLength(text);
    if (length && promp_pyoutput_write(self->worker, self->stream, text) < 0)
        return NULL;
    return PyLong_FromSsize_t(length);
}

static PyObject *buffer_write(output_t *self, PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    int result = view.len == 0
                     ? 0
                     : promp_pyoutput_write_bytes(self->worker, self->stream, view.buf, (size_t)view.len);
    Py_ssize_t size = view.len;
    PyBuffer_Release(&view);
    return result < 0 ? NULL : PyLong_FromSsize_t(size);
}

static PyObject *write_lines(output_t *self, PyObject *lines, PyObject *(*write_one)(output_t *, PyObject *))
{
    PyObject *iterator = PyObject_GetIter(lines), *line;
    if (!iterator)
        return NULL;
    while ((line = PyIter_Next(iterator))) {
        PyObject *written = write_one(self, line);
        Py_DECREF(line);
        Py_XDECREF(written);
        if (!written)
            break;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *output_writelines(output_t *self, PyObject *lines)
{
    return write_lines(self, lines, output_write);
}

static PyObject *buffer_writelines(output_t *self, PyObject *lines)
{
    return write_lines(self, lines, buffer_write);
}

static PyObject *fileno_of(output_t *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(self->stream);
}

static PyObject *say_none(output_t *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

static PyObject *say_true(output_t *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *say_false(output_t *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_FALSE;
}

/* reconfigure(...): whatever encoding or buffering is asked for, output stays UTF-8 and unbuffered. */
static PyObject *output_reconfigure(output_t *self, PyObject *args, PyObject *kwargs)
{
    (void)kwargs;
    if (!PyArg_ParseTuple(args, ":reconfigure"))
        return NULL;
    return say_none(self, NULL);
}

#define COMMON                                                                                               \
    {"fileno", (PyCFunction)fileno_of, METH_NOARGS, "Returns 1 or 2: what native code writes to."},          \
        {"flush", (PyCFunction)say_none, METH_NOARGS, "Does nothing: nothing is kept back."},                \
        {"close", (PyCFunction)say_none, METH_NOARGS, "Does nothing: output lasts as long as the worker."},  \
        {"isatty", (PyCFunction)say_false, METH_NOARGS, "Returns False."},                                   \
        {"readable", (PyCFunction)say_false, METH_NOARGS, "Returns False."},                                 \
        {"seekable", (PyCFunction)say_false, METH_NOARGS, "Returns False."},                                 \
    {                                                                                                        \
        "writable", (PyCFunction)say_true, METH_NOARGS, "Returns True."                                      \
    }

static PyMethodDef output_methods[] = {
    {"write", (PyCFunction)output_write, METH_O, "Sends a str as one record. Returns its length."},
    {"writelines", (PyCFunction)output_writelines, METH_O, "Sends each str as a record."},
    {"reconfigure", (PyCFunction)(void (*)(void))output_reconfigure, METH_VARARGS | METH_KEYWORDS,
     "Does nothing."},
    COMMON,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef buffer_methods[] = {
    {"write", (PyCFunction)buffer_write, METH_O, "Sends bytes as one record. Returns their number."},
    {"writelines", (PyCFunction)buffer_writelines, METH_O, "Sends each bytes object as a record."},
    COMMON,
    {NULL, NULL, 0, NULL},
};

static PyObject *get_text(output_t *self, void *text)
{
    (void)self;
    return PyUnicode_FromString(text);
}

static PyObject *get_name(output_t *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(self->stream == 1 ? "<stdout>" : "<stderr>");
}

static PyObject *get_buffer(output_t *self, void *unused)
{
    (void)unused;
    return Py_NewRef(self->buffer);
}

static PyObject *get_none(output_t *self, void *unused)
{
    return say_none(self, unused);
}

static PyObject *get_false(output_t *self, void *unused)
{
    return say_false(self, unused);
}

static PyObject *get_true(output_t *self, void *unused)
{
    return say_true(self, unused);
}

static PyGetSetDef output_attributes[] = {
    {"encoding", (getter)get_text, NULL, NULL, "utf-8"},
    {"errors", (getter)get_text, NULL, NULL, "backslashreplace"},
    {"mode", (getter)get_text, NULL, NULL, "w"},
    {"name", (getter)get_name, NULL, NULL, NULL},
    {"newlines", (getter)get_none, NULL, NULL, NULL},
    {"closed", (getter)get_false, NULL, NULL, NULL},
    {"line_buffering", (getter)get_false, NULL, NULL, NULL},
    {"write_through", (getter)get_true, NULL, NULL, NULL},
    {"buffer", (getter)get_buffer, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef buffer_attributes[] = {
    {"mode", (getter)get_text, NULL, NULL, "wb"},
    {"name", (getter)get_name, NULL, NULL, NULL},
    {"closed", (getter)get_false, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot output_slots[] = {
    {Py_tp_dealloc, output_dealloc},
    {Py_tp_methods, output_methods},
    {Py_tp_getset, output_attributes},
    {Py_tp_doc, "The text output of a worker: each write is one record."},
    {0, NULL},
};

static PyType_Slot buffer_slots[] = {
    {Py_tp_dealloc, output_dealloc},
    {Py_tp_methods, buffer_methods},
    {Py_tp_getset, buffer_attributes},
    {Py_tp_doc, "The binary output of a worker: each write is one record."},
    {0, NULL},
};

static PyType_Spec output_spec = {
    .name = "Pro._promp.Output",
    .basicsize = sizeof(output_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = output_slots,
};

static PyType_Spec buffer_spec = {
    .name = "Pro._promp.OutputBuffer",
    .basicsize = sizeof(output_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = buffer_slots,
};

int promp_output_types_add(PyObject *module, promp_state_t *state)
{
    state->output = (PyTypeObject *)PyType_FromModuleAndSpec(module, &output_spec, NULL);
    state->buffer = (PyTypeObject *)PyType_FromModuleAndSpec(module, &buffer_spec, NULL);
    return state->output && state->buffer ? 0 : -1;
}
