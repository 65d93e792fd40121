/* Pro._promp.Container: bytes that come from a Python object with read(offset, size).
 *
 * The source is freed when its container and the thread that serves it, if any, have let go. libpromp may end a container
 * in a thread of its own, which must not run Python: then the source waits in the module's state for a call of ours. */
#include "pycontainer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CAPSULE "Pro._promp.server"

typedef struct promp_pysource {
    struct promp_pysource *next; /* in state->ended */
    PyTypeObject *type;          /* kept, and with it the module and its state */
    promp_state_t *state;
    PyObject *object; /* the user's */
    pid_t owner;
    atomic_int users; /* its container, its capsule */

    /* Where a thread serves it. The container lives as long as gone is not set. */
    pthread_mutex_t lock;
    pthread_cond_t left;
    promp_container_t *container;
    pthread_t server;
    bool serving; /* server is in promp_container_serve */
    bool gone;
} source_t;

/* --- its life --- */

static void destroy(source_t *source)
{
    Py_XDECREF(source->object);
    Py_DECREF((PyObject *)source->type);
    pthread_cond_destroy(&source->left);
    pthread_mutex_destroy(&source->lock);
    PyMem_Free(source);
}

/* In any thread, with or without the GIL. A thread that Python knows can wait for the GIL. */
static void let_go(source_t *source)
{
    if (atomic_fetch_sub(&source->users, 1) != 1)
        return;
    if (PyGILState_GetThisThreadState()) {
        PyGILState_STATE gil = PyGILState_Ensure();
        destroy(source);
        PyGILState_Release(gil);
        return;
    }
    source->next = atomic_load(&source->state->ended);
    while (!atomic_compare_exchange_weak(&source->state->ended, &source->next, source))
        ;
}

void promp_pycontainer_reap(promp_state_t *state)
{
    if (!atomic_load_explicit(&state->ended, memory_order_relaxed))
        return;
    source_t *source = atomic_exchange(&state->ended, NULL);
    while (source) {
        source_t *next = source->next;
        destroy(source);
        source = next;
    }
}

static source_t *source_new(promp_state_t *state, PyObject *object)
{
    source_t *source = PyMem_Calloc(1, sizeof *source);
    if (!source)
        return (source_t *)PyErr_NoMemory();
    pthread_mutex_init(&source->lock, NULL);
    pthread_cond_init(&source->left, NULL);
    source->type = (PyTypeObject *)Py_NewRef((PyObject *)state->container);
    source->state = state;
    source->object = Py_NewRef(object);
    source->owner = getpid();
    atomic_init(&source->users, 1);
    return source;
}

/* promp_container_object_t.free. The thread that serves is told, and waited for until it has left the container: that
 * takes no GIL, since nobody reads any more. When it is that thread itself, it sees gone next. */
static void source_free(void *arg)
{
    source_t *source = arg;
    if (source->owner == getpid()) {
        pthread_mutex_lock(&source->lock);
        source->gone = true;
        while (source->serving && !pthread_equal(source->server, pthread_self())) {
            promp_container_serve_end(source->container);
            pthread_cond_wait(&source->left, &source->lock);
        }
        pthread_mutex_unlock(&source->lock);
    }
    let_go(source);
}

/* --- reading --- */

/* text as UTF-8, with what that cannot hold written out; takes the reference. NULL: there is none. */
static PyObject *plain(PyObject *text)
{
    PyObject *bytes = text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    PyErr_Clear();
    Py_XDECREF(text);
    return bytes;
}

static const char *or_else(PyObject *bytes, const char *text)
{
    return bytes ? PyBytes_AsString(bytes) : text;
}

static bool is_server(source_t *source)
{
    pthread_mutex_lock(&source->lock);
    bool is = source->serving && pthread_equal(source->server, pthread_self());
    pthread_mutex_unlock(&source->lock);
    return is;
}

/* The exception that read raised as text. One that is to end the program goes on in the thread that called us. */
static void tell(source_t *source, promp_error_t *error)
{
    PyObject *type, *value, *trace;
    bool fatal = !PyErr_ExceptionMatches(PyExc_Exception) && !is_server(source);
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    PyObject *name = plain(type ? PyType_GetName((PyTypeObject *)type) : NULL);
    PyObject *text = plain(value ? PyObject_Str(value) : NULL);
    snprintf(error->text, sizeof error->text, "%s: %s", or_else(name, "an exception"),
             or_else(text, "<unprintable>"));
    Py_XDECREF(name);
    Py_XDECREF(text);
    PyErr_Restore(type, value, trace);
    if (fatal)
        promp_state_interrupt(source->state);
    else
        PyErr_Clear();
}

static promp_err_t copy(PyObject *bytes, void *buffer, size_t size, promp_error_t *error)
{
    Py_buffer view;
    promp_err_t e = PROMP_ERR_CONTAINER_SOURCE;
    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        PyObject *name = plain(PyType_GetName(Py_TYPE(bytes)));
        snprintf(error->text, sizeof error->text, "read() returned %s, not bytes",
                 or_else(name, "something"));
        Py_XDECREF(name);
        return e;
    }
    if ((size_t)view.len != size) {
        snprintf(error->text, sizeof error->text, "read() returned %zd of %zu bytes", view.len, size);
    } else {
        memcpy(buffer, view.buf, size);
        e = PROMP_OK;
    }
    PyBuffer_Release(&view);
    return e;
}

/* promp_container_object_t.read: in threads that Python knows, without the GIL. */
static promp_err_t source_read(void *arg, uint64_t offset, void *buffer, size_t size, promp_error_t *error)
{
    source_t *source = arg;
    promp_err_t e = PROMP_ERR_CONTAINER_SOURCE;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *bytes = PyObject_CallMethod(source->object, "read", "KK", (unsigned long long)offset,
                                          (unsigned long long)size);
    if (bytes)
        e = copy(bytes, buffer, size, error);
    else
        tell(source, error);
    Py_XDECREF(bytes);
    PyGILState_Release(gil);
    return e;
}

/* --- making --- */

static void free_capsule(PyObject *capsule)
{
    let_go(PyCapsule_GetPointer(capsule, CAPSULE));
}

/* _open_object(object, size, own_thread) -> None, or a server for serve() when it has a thread of its own */
PyObject *promp_pycontainer_open_object(promp_pycontainer_t *self, PyObject *args, PyObject *names)
{
    static char *words[] = {"object", "size", "own_thread", NULL};
    PyObject *object, *server = NULL;
    uint64_t size;
    int own_thread;
    promp_error_t error = {0};
    if (!PyArg_ParseTupleAndKeywords(args, names, "OO&p:createContainer", words, &object, promp_state_u64,
                                     &size, &own_thread))
        return NULL;
    source_t *source = source_new(self->state, object);
    if (!source)
        return NULL;
    promp_container_object_t spec = {
        .size = size, .read = source_read, .free = source_free, .arg = source, .own_thread = own_thread};
    promp_container_t *container = promp_container_object(&spec, &error);
    if (!container) {
        let_go(source);
        return promp_pycontainer_raise(self->state, &error);
    }
    source->container = container;
    if (own_thread && !(server = PyCapsule_New(source, CAPSULE, free_capsule))) {
        promp_container_drop(&container);
        return NULL;
    }
    if (own_thread)
        atomic_fetch_add(&source->users, 1);
    promp_pycontainer_set(self, container, NULL);
    self->owner = getpid();
    return server ? server : Py_NewRef(Py_None);
}

/* --- serving --- */

/* The GIL is not held, and may never come back at the end of the interpreter: nobody waits for us then. */
static void serve(source_t *source)
{
    promp_err_t e = PROMP_OK;
    pthread_mutex_lock(&source->lock);
    source->server = pthread_self();
    while (!source->gone && e != PROMP_ERR_CLOSED && e != PROMP_ERR_ARGUMENT) {
        source->serving = true;
        pthread_mutex_unlock(&source->lock);
        e = promp_container_serve(source->container, -1);
        pthread_mutex_lock(&source->lock);
        source->serving = false;
        pthread_cond_broadcast(&source->left);
    }
    pthread_mutex_unlock(&source->lock);
}

PyObject *promp_pycontainer_serve(PyObject *module, PyObject *server)
{
    (void)module;
    source_t *source = PyCapsule_GetPointer(server, CAPSULE);
    if (!source)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    serve(source);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}
