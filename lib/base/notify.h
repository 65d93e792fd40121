/* notify.h - telling the service manager (systemd) how the program is, where it asks for it; sd_notify(3). */
#ifndef PROMP_BASE_NOTIFY_H
#define PROMP_BASE_NOTIFY_H

#include "base.h"

/* Sends text, such as "READY=1", to $NOTIFY_SOCKET. Nobody to tell, or no way to: nothing happens. */
void promp_notify(const char *text);

/* "RELOADING=1" with the time that goes with it. */
void promp_notify_reloading(void);

/* How often "WATCHDOG=1" is wanted, in ms: half of what $WATCHDOG_USEC allows; PROMP_NEVER: not at all. */
int64_t promp_notify_watchdog(void);

#endif
