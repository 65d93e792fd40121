#include "metrics_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "zpl_rows.h"

bool promp_metrics_address_read(const char *text, promp_metrics_address_t *address)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    uint64_t port;

    *address = (promp_metrics_address_t){.size = 0};
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host ||
        !promp_zpl_rows_number(promp_slice_str(colon + 1), 0, UINT16_MAX, &port))
        return false;
    const size_t size = (size_t)(colon - text);
    memcpy(host, text, size);
    host[size] = '\0';
    address->all = strcmp(host, "*") == 0;
    if (inet_pton(AF_INET, host, &address->in.sin_addr) == 1) {
        address->in.sin_family = AF_INET;
        address->in.sin_port = htons((uint16_t)port);
        address->size = sizeof address->in;
        return true;
    }
    if (!address->all) {
        if (host[0] != '[' || host[size - 1] != ']')
            return false;
        host[size - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &address->in6.sin6_addr) != 1)
            return false;
    }
    address->in6.sin6_family = AF_INET6;
    address->in6.sin6_port = htons((uint16_t)port);
    address->size = sizeof address->in6;
    return true;
}

void promp_metrics_address_write(const promp_metrics_address_t *address,
                                 char text[PROMP_METRICS_ADDRESS_TEXT])
{
    const bool six = address->any.sa_family == AF_INET6;
    const unsigned port = ntohs(six ? address->in6.sin6_port : address->in.sin_port);
    char host[INET6_ADDRSTRLEN] = "";

    if (six)
        inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
    else
        inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
    if (address->all)
        snprintf(text, PROMP_METRICS_ADDRESS_TEXT, "*:%u", port);
    else
        snprintf(text, PROMP_METRICS_ADDRESS_TEXT, six ? "[%s]:%u" : "%s:%u", host, port);
}
