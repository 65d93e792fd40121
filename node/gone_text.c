#include "gone_text.h"

#include <stdio.h>

#define MIB (1024 * 1024)

static void memory_text(const promp_msg_gone_t *gone, uint64_t limit, char *text, size_t size)
{
    static const char begin[] = "the worker was killed by the kernel: out of memory";

    if (limit)
        snprintf(text, size, "%s; it and what it started may have %.1f MiB", begin, (double)limit / MIB);
    else
        snprintf(text, size, "%s; it held %llu MiB", begin, (unsigned long long)(gone->memory / MIB));
}

void promp_gone_text(const promp_msg_gone_t *gone, uint64_t limit, uint32_t lease, char *text, size_t size)
{
    const char *name = sigabbrev_np((int)gone->signal);

    switch (gone->cause) {
    case PROMP_ERR_WORKER_EXITED:
        snprintf(text, size, "the worker exited with code %u", gone->code);
        break;
    case PROMP_ERR_WORKER_SIGNALLED:
        if (name)
            snprintf(text, size, "the worker was ended by signal %u (SIG%s)", gone->signal, name);
        else
            snprintf(text, size, "the worker was ended by signal %u", gone->signal);
        break;
    case PROMP_ERR_WORKER_MEMORY:
        memory_text(gone, limit, text, size);
        break;
    case PROMP_ERR_WORKER_UNRESPONSIVE:
        snprintf(text, size, "the worker did not answer for %u ms and was ended", lease);
        break;
    case PROMP_ERR_WORKER_LEASE:
        snprintf(text, size, "the manager was not heard for %u ms and its worker was ended", lease);
        break;
    case PROMP_ERR_WORKER_STOPPED:
        snprintf(text, size, "the worker was stopped by its manager");
        break;
    default:
        snprintf(text, size, "%s", promp_error_text((promp_err_t)gone->cause));
    }
}
