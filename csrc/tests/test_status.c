/* The table of conditions: codes, classes and words. */
#include "check.h"

#include "fastnet/status.h"

static const struct {
    const char *name;
    int status;
    enum fn_class class_;
    const char *text;
} rows[] = {
#define FN_X(name, offset, class_, text) {#name, FN_E_##name, FN_CLASS_##class_, text},
    FN_STATUS_TABLE(FN_X)
#undef FN_X
};

enum { ROWS = (int)(sizeof rows / sizeof rows[0]) };

static void test_rows_are_distinct(void)
{
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < i; j++) {
            assert(rows[i].status != rows[j].status);
            assert(strcmp(rows[i].text, rows[j].text) != 0);
        }
}

static void test_each_row_is_found(void)
{
    for (int i = 0; i < ROWS; i++) {
        assert(rows[i].status <= FN_STATUS_BASE);
        assert(fn_status_class(rows[i].status) == rows[i].class_);
        assert(fn_status_class(rows[i].status) > FN_CLASS_SYSTEM);
        assert(strcmp(fn_status_text(rows[i].status), rows[i].text) == 0);
        assert(*rows[i].text);
    }
}

static void test_results_and_system_errors(void)
{
    assert(fn_status_class(0) == FN_CLASS_OK);
    assert(fn_status_class(1) == FN_CLASS_OK);
    assert(fn_status_class(INT64_MAX) == FN_CLASS_OK);
    assert(fn_status_class(-1) == FN_CLASS_SYSTEM);
    assert(fn_status_class(-EPIPE) == FN_CLASS_SYSTEM);
    assert(fn_status_class(-4095) == FN_CLASS_SYSTEM);
    assert(strcmp(fn_status_text(-EPIPE), "system error") == 0);
    assert(strcmp(fn_status_text(7), "success") == 0);
}

static void test_unknown_values_have_words_too(void)
{
    static const long long unknown[] = {-4096, -9999, -10099, -20000, INT64_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert(fn_status_class(unknown[i]) == FN_CLASS_USAGE);
        assert(*fn_status_text(unknown[i]));
    }
}

int main(void)
{
    test_rows_are_distinct();
    test_each_row_is_found();
    test_results_and_system_errors();
    test_unknown_values_have_words_too();
    return 0;
}
