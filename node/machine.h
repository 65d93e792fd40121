/* machine.h - what this process may use of its machine: the least of what there is, of the processors that it is bound to, and of
 * the limits of its control group and those above, v2 or v1. */
#ifndef PROMP_NODE_MACHINE_H
#define PROMP_NODE_MACHINE_H

#include "base.h"

/* proc: a folder that holds what /proc/self does. */
uint32_t promp_machine_cpus(const char *proc);   /* thousandths of a processor, at least 1 */
uint64_t promp_machine_memory(const char *proc); /* bytes */

#endif
