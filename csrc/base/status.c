/* Theory in status.h. */
#include "fastnet/status.h"

#include <stddef.h>

struct row {
    int status;
    enum fn_class class_;
    const char *text;
};

static const struct row rows[] = {
#define FN_X(name, offset, class_, text) {FN_E_##name, FN_CLASS_##class_, text},
    FN_STATUS_TABLE(FN_X)
#undef FN_X
};

static const struct row *find(long long status)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return &rows[i];
    return NULL;
}

enum fn_class fn_status_class(long long status)
{
    if (status >= 0)
        return FN_CLASS_OK;
    if (status >= -4095)
        return FN_CLASS_SYSTEM;
    const struct row *row = find(status);
    return row ? row->class_ : FN_CLASS_USAGE;
}

const char *fn_status_text(long long status)
{
    if (status >= 0)
        return "success";
    if (status >= -4095)
        return "system error";
    const struct row *row = find(status);
    return row ? row->text : "unknown status";
}
