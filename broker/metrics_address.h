/* metrics_address.h - where the broker's metrics can be had: ADDRESS:PORT, with an address in digits (IPv6 in brackets), or * for
 * all of this host. Pure; any thread. */
#ifndef PROMP_BROKER_METRICS_ADDRESS_H
#define PROMP_BROKER_METRICS_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    socklen_t size;
    bool all; /* it was `*`: an IPv6 address that takes IPv4 too, where the host has IPv6 */
} promp_metrics_address_t;

#define PROMP_METRICS_ADDRESS_TEXT 64 /* bytes that one has as text, with its NUL */

/* False: text is no such address. */
bool promp_metrics_address_read(const char *text, promp_metrics_address_t *address);

/* The same as text; with brackets, as in a URL. */
void promp_metrics_address_write(const promp_metrics_address_t *address,
                                 char text[PROMP_METRICS_ADDRESS_TEXT]);

#endif
