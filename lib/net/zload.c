#include "zload.h"

promp_err_t promp_zload(promp_error_t *error)
{
    (void)error;
    return PROMP_OK;
}
