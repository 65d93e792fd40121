/* Pro._promp.Manager: starting and stopping workers, tasks and what comes of them. */
#include "pymanager.h"
#include "pyvalue.h"

#include <stdlib.h>

/* A list of str or bytes as a NULL-ended array of C strings; None gives NULL. The strings live as long as *keep. */
static int string_array(PyObject *list, const char ***array, PyObject **keep)
{
    *array = NULL;
    *keep = NULL;
    if (list == Py_None)
        return 0;
    Py_ssize_t count = PySequence_Size(list);
    if (count < 0)
        return -1;
    const char **made = PyMem_Calloc((size_t)count + 1, sizeof *made);
    PyObject *kept = PyList_New(0);
    if (!made || !kept) {
        PyErr_NoMemory();
        goto err;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(list, i), *bytes = NULL;
        int ok = item && PyUnicode_FSConverter(item, &bytes) && PyList_Append(kept, bytes) == 0;
        if (ok)
            made[i] = PyBytes_AsString(bytes);
        Py_XDECREF(bytes);
        Py_XDECREF(item);
        if (!ok)
            goto err;
    }
    *array = made;
    *keep = kept;
    return 0;
err:
    PyMem_Free(made);
    Py_XDECREF(kept);
    return -1;
}

/* A signal that came while workers are started: what its handler raised ends the call. */
typedef struct {
    PyObject *raised[3];
} interrupt_t;

static bool is_interrupted(void *arg)
{
    interrupt_t *interrupt = arg;
    PyGILState_STATE gil = PyGILState_Ensure();
    bool raised = PyErr_CheckSignals() < 0;
    if (raised)
        PyErr_Fetch(&interrupt->raised[0], &interrupt->raised[1], &interrupt->raised[2]);
    PyGILState_Release(gil);
    return raised;
}

/* What a worker asks of its node: (labels, thousandths of a processor, bytes, GPUs, node or None, Python's version or None) */
static int parse_needs(PyObject *needs, promp_start_t *start)
{
    unsigned long long memory;
    if (!PyArg_ParseTuple(needs, "sIKIzz:needs", &start->labels, &start->cpus, &memory, &start->gpus,
                          &start->node, &start->python))
        return -1;
    start->memory = memory;
    return 0;
}

/* start(program, argv or None, env or None, folder or None, extra bytes, time limit in ms, count[, needs]) -> list of ids */
PyObject *promp_pymanager_start(promp_pymanager_t *self, PyObject *args)
{
    PyObject *program = NULL, *argv_list, *env_list, *folder_object, *folder = NULL, *keep[2] = {NULL, NULL},
             *ids = NULL, *needs = NULL;
    promp_start_t start = {0};
    const char **argv = NULL, **env = NULL;
    uint32_t *workers = NULL;
    Py_buffer extra = {0};
    Py_ssize_t count;
    int limit;
    interrupt_t interrupt = {{NULL, NULL, NULL}};
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager ||
        !PyArg_ParseTuple(args, "O&OOOy*O&n|O!:start", PyUnicode_FSConverter, &program, &argv_list, &env_list,
                          &folder_object, &extra, promp_state_ms, &limit, &count, &PyTuple_Type, &needs))
        goto out;
    if (count < 1 || count > 1000000) {
        PyErr_SetString(PyExc_ValueError, "the number of workers is not valid");
        goto out;
    }
    if (string_array(argv_list, &argv, &keep[0]) < 0 || string_array(env_list, &env, &keep[1]) < 0)
        goto out;
    if (folder_object != Py_None && !PyUnicode_FSConverter(folder_object, &folder))
        goto out;
    if (needs && parse_needs(needs, &start) < 0)
        goto out;
    if (!(workers = PyMem_Calloc((size_t)count, sizeof *workers))) {
        PyErr_NoMemory();
        goto out;
    }
    start.program = PyBytes_AsString(program);
    start.argv = argv;
    start.env = env;
    start.folder = folder ? PyBytes_AsString(folder) : NULL;
    start.extra = extra.buf;
    start.extra_size = (size_t)extra.len;
    start.time_limit = limit;
    start.interrupted = is_interrupted;
    start.interrupted_arg = &interrupt;
    size_t started = 0;
    self->inside++;
    Py_BEGIN_ALLOW_THREADS
    promp_manager_start_many(manager, &start, (size_t)count, workers,
                             &started); /* lastError() tells why not */
    Py_END_ALLOW_THREADS
    self->inside--;
    if (interrupt.raised[0]) { /* nobody gets to know their ids */
        for (size_t i = 0; i < started; i++)
            (void)promp_manager_stop(manager, workers[i]);
        PyErr_Restore(interrupt.raised[0], interrupt.raised[1], interrupt.raised[2]);
        goto out;
    }
    ids = PyList_New(0);
    for (size_t i = 0; ids && i < started; i++) {
        PyObject *id = PyLong_FromUnsignedLong(workers[i]);
        if (!id || PyList_Append(ids, id) < 0)
            Py_CLEAR(ids);
        Py_XDECREF(id);
    }
out:
    PyMem_Free(workers);
    PyMem_Free(argv);
    PyMem_Free(env);
    Py_XDECREF(keep[0]);
    Py_XDECREF(keep[1]);
    Py_XDECREF(folder);
    Py_XDECREF(program);
    if (extra.obj)
        PyBuffer_Release(&extra);
    return ids;
}

/* task(worker, kind, name or None, file or None, code str or None, args or None, result) */
PyObject *promp_pymanager_task(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    int kind, result;
    const char *name, *code;
    Py_ssize_t code_size;
    PyObject *file_object, *values, *file = NULL;
    promp_pyvalue_t encoded = {0};
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&izOz#Op:task", promp_state_worker_id, &worker, &kind, &name,
                                      &file_object, &code, &code_size, &values, &result))
        return NULL;
    if (file_object != Py_None && !PyUnicode_FSConverter(file_object, &file))
        return NULL;
    promp_task_spec_t spec = {.kind = (promp_task_kind_t)kind,
                              .name = name,
                              .code = code,
                              .code_size = (size_t)code_size,
                              .file = file ? PyBytes_AsString(file) : NULL,
                              .result = result};
    promp_err_t error = PROMP_OK;
    if (values != Py_None && promp_pyvalue_encode(self->state, values, &encoded) < 0) {
        Py_XDECREF(file);
        return NULL;
    }
    spec.args_cbor = encoded.data;
    spec.args_size = encoded.size;
    error = promp_manager_task(manager, worker, &spec, NULL);
    promp_pyvalue_free(&encoded);
    Py_XDECREF(file);
    if (error)
        return promp_pymanager_raise(self, error);
    Py_RETURN_NONE;
}

PyObject *promp_pymanager_stop(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&:stop", promp_state_worker_id, &worker))
        return NULL;
    promp_err_t error = promp_manager_stop(manager, worker);
    if (error)
        return promp_pymanager_raise(self, error);
    Py_RETURN_NONE;
}

PyObject *promp_pymanager_has_results(promp_pymanager_t *self, PyObject *args)
{
    (void)args;
    promp_manager_t *manager = promp_pymanager_get(self);
    return manager ? PyBool_FromLong(promp_manager_has_results(manager)) : NULL;
}

/* take_result(worker, default) -> value or default */
PyObject *promp_pymanager_take_result(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    PyObject *fallback;
    promp_result_t result;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&O:take_result", promp_state_worker_id, &worker, &fallback))
        return NULL;
    if (!promp_manager_take_result_cbor(manager, worker, &result))
        return Py_NewRef(fallback);
    PyObject *value = promp_pyvalue_decode(self->state, result.cbor, result.size);
    promp_result_free(&result);
    return value;
}

PyObject *promp_pymanager_has_errors(promp_pymanager_t *self, PyObject *args)
{
    (void)args;
    promp_manager_t *manager = promp_pymanager_get(self);
    return manager ? PyBool_FromLong(promp_manager_has_errors(manager)) : NULL;
}

/* take_error(worker) -> (worker, task, number, kind, text, trace) or None */
PyObject *promp_pymanager_take_error(promp_pymanager_t *self, PyObject *args)
{
    uint32_t worker;
    promp_failure_t failure;
    promp_manager_t *manager = promp_pymanager_get(self);
    if (!manager || !PyArg_ParseTuple(args, "O&:take_error", promp_state_worker_id, &worker))
        return NULL;
    if (!promp_manager_take_error(manager, worker, &failure))
        Py_RETURN_NONE;
    PyObject *made = Py_BuildValue("IKiNNN", (unsigned)failure.worker, (unsigned long long)failure.task,
                                   (int)failure.code, promp_state_text(failure.kind),
                                   promp_state_text(failure.text), promp_state_text(failure.trace));
    promp_failure_free(&failure);
    return made;
}
