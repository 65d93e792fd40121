/* Pro._promp.Task: one task while it runs, for the worker's main loop. */
#include "pyvalue.h"
#include "pyworker.h"

typedef struct {
    PyObject ob_base;
    promp_pyworker_t *worker;
    promp_task_t *task; /* NULL: finished */
} promp_pytask_t;

PyObject *promp_pytask_new(promp_pyworker_t *worker, promp_task_t *task)
{
    promp_pytask_t *self = (promp_pytask_t *)PyType_GenericAlloc(worker->state->task, 0);
    if (!self) {
        promp_task_finish(&task, PROMP_TASK_FAILURE);
        return NULL;
    }
    self->worker = (promp_pyworker_t *)Py_NewRef((PyObject *)worker);
    self->task = task;
    worker->users++;
    return (PyObject *)self;
}

static promp_task_t *get(promp_pytask_t *self)
{
    if (!self->task)
        PyErr_SetString(PyExc_RuntimeError, "the task is finished");
    return self->task;
}

/* parts() -> (number, kind, name, file or None, code bytes, args list, wants_result) */
static PyObject *task_parts(promp_pytask_t *self, PyObject *unused)
{
    (void)unused;
    promp_task_t *task = get(self);
    size_t code_size, args_size;
    if (!task)
        return NULL;
    const uint8_t *code = promp_task_code(task, &code_size);
    const uint8_t *cbor = promp_task_args_cbor(task, &args_size);
    const char *path = promp_task_file(task);
    PyObject *args = args_size ? promp_pyvalue_decode(self->worker->state, cbor, args_size) : PyList_New(0);
    PyObject *file = path && *path ? PyUnicode_DecodeFSDefault(path) : Py_NewRef(Py_None);
    PyObject *made = NULL;
    if (args && file)
        made = Py_BuildValue("KisOy#OO", (unsigned long long)promp_task_number(task),
                             (int)promp_task_kind(task), promp_task_name(task), file, (const char *)code,
                             (Py_ssize_t)code_size, args, promp_task_wants_result(task) ? Py_True : Py_False);
    Py_XDECREF(file);
    Py_XDECREF(args);
    return made;
}

/* result(value): the value that the task returns; TypeError and friends where it cannot travel. */
static PyObject *task_result(promp_pytask_t *self, PyObject *value)
{
    promp_pyvalue_t encoded;
    promp_task_t *task = get(self);
    if (!task || promp_pyvalue_encode(self->worker->state, value, &encoded) < 0)
        return NULL;
    promp_err_t error = promp_task_result_cbor(task, encoded.data, encoded.size);
    promp_pyvalue_free(&encoded);
    return error ? promp_state_raise(self->worker->state, error, NULL) : Py_NewRef(Py_None);
}

/* failure(kind, text, trace) */
static PyObject *task_failure(promp_pytask_t *self, PyObject *args)
{
    const char *kind, *text, *trace;
    promp_task_t *task = get(self);
    if (!task || !PyArg_ParseTuple(args, "sss:failure", &kind, &text, &trace))
        return NULL;
    promp_err_t error = promp_task_failure(task, PROMP_ERR_TASK_FAILED, kind, text, trace);
    return error ? promp_state_raise(self->worker->state, error, NULL) : Py_NewRef(Py_None);
}

/* finish(outcome): 0 done, 1 failed, 2 aborted */
static PyObject *task_finish(promp_pytask_t *self, PyObject *args)
{
    int outcome;
    if (!get(self) || !PyArg_ParseTuple(args, "i:finish", &outcome))
        return NULL;
    promp_task_t *task = self->task;
    self->task = NULL;
    self->worker->users--;
    PyThreadState *saved = promp_pyworker_let(self->worker);
    promp_err_t error = promp_task_finish(&task, (promp_task_outcome_t)outcome);
    promp_pyworker_back(self->worker, saved);
    return error == PROMP_ERR_MEMORY ? PyErr_NoMemory() : Py_NewRef(Py_None);
}

static PyObject *task_aborted(promp_pytask_t *self, PyObject *unused)
{
    (void)unused;
    promp_task_t *task = get(self);
    return task ? PyBool_FromLong(promp_task_aborted(task)) : NULL;
}

static void task_dealloc(promp_pytask_t *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->task)
        promp_task_finish(&self->task, PROMP_TASK_FAILURE);
    Py_XDECREF((PyObject *)self->worker);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"parts", (PyCFunction)task_parts, METH_NOARGS, NULL},
    {"result", (PyCFunction)task_result, METH_O, NULL},
    {"failure", (PyCFunction)task_failure, METH_VARARGS, NULL},
    {"finish", (PyCFunction)task_finish, METH_VARARGS, NULL},
    {"aborted", (PyCFunction)task_aborted, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, task_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "One task of a worker while it runs."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "Pro._promp.Task",
    .basicsize = sizeof(promp_pytask_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

int promp_task_type_add(PyObject *module, promp_state_t *state)
{
    state->task = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->task ? PyModule_AddType(module, state->task) : -1;
}
