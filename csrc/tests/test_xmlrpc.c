/* Reading XML-RPC: the canonical form in all its variants, and everything else refused. */
#include "xmlfeed.h"

static struct xmlwalk w;

static void walk(const char *message)
{
    struct guarded g = guarded_copy(message, strlen(message), true);
    xml_walk(g.data, g.size, &w);
    guarded_free(&g);
}

#define CALL(inner)                                                                                \
    "<?xml version='1.0'?>\n<methodCall>\n<methodName>add</methodName>\n" inner "</methodCall>\n"
#define PARAMS(inner) "<params>\n" inner "</params>\n"
#define PARAM(inner) "<param>\n" inner "</param>\n"
#define VALUE(inner) PARAMS(PARAM("<value>" inner "</value>\n"))

static const struct {
    const char *message, *log;
} canonical[] = {
    {CALL(PARAMS(PARAM("<value><int>-12</int></value>") PARAM("<value><i4>3</i4></value>"))),
     "Mii."},
    {CALL(""), "M."},
    {CALL("<params/>"), "M."},
    {CALL(PARAMS("")), "M."},
    {PARAMS(""), "."},
    {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>" VALUE("<i8>123456789012345678</i8>") " \r\n\t",
     "i."},
    {VALUE("text"), "s."},
    {VALUE(""), "s."},
    {VALUE("<string/>"), "s."},
    {VALUE("<string>a &lt;&#38;&#x10FFFF; b</string>"), "s."},
    {VALUE("<double>-1.5e+300</double>"), "d."},
    {VALUE("<boolean>1</boolean>"), "b."},
    {VALUE("<nil/>"), "n."},
    {VALUE("<base64>\nYWJj\n</base64>"), "x."},
    {VALUE("<dateTime.iso8601>20240229T12:30:59</dateTime.iso8601>"), "t."},
    {VALUE("<array><data></data></array>"), "[)."},
    {VALUE(" <array> <data> <value>1</value><value><int>2</int> </value> </data>\n</array> "),
     "[si)."},
    {VALUE("<struct></struct>"), "{)."},
    {VALUE("<struct><member><name>a</name><value><struct><member><name/>"
           "<value>x</value></member></struct></value></member></struct>"),
     "{k{?"},
    {VALUE(
         "<struct><member> <name>a</name> <value><array><data/></array></value></member></struct>"),
     "{k?"},
    {VALUE("<struct><member><name>a</name><value><array><data></data></array></value></member>"
           "<member><name></name><value>x</value></member></struct>"),
     "{k[)ks)."},
    {"<methodResponse>" VALUE("<int>0</int>") "</methodResponse>", "i."},
    {"<methodResponse><fault><value><struct></struct></value></fault></methodResponse>", "F{)."},
};

static void test_canonical(void)
{
    for (size_t i = 0; i < sizeof canonical / sizeof canonical[0]; i++) {
        walk(canonical[i].message);
        assert(strcmp(w.log, canonical[i].log) == 0);
    }
    walk(CALL(VALUE("<int>-12</int>")));
    assert(w.number == -12);
    walk(VALUE("<i8>-999999999999999999</i8>"));
    assert(w.number == -999999999999999999);
    walk(VALUE("<string>&lt;&gt;&amp;&quot;&apos;&#9;&#xe9;&#x20AC;&#x1F600;]]</string>"));
    assert(w.text_size == 17);
    assert(memcmp(w.text, "<>&\"'\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80]]", 17) == 0);
}

static const char *const foreign[] = {
    "",
    "<",
    "text",
    " <params></params>",
    "\xef\xbb\xbf<params></params>",
    "<?xml version='1.1'?><params></params>",
    "<?xml version='1.0' encoding='latin-1'?><params></params>",
    "<?xml version='1.0'?><?xml version='1.0'?><params></params>",
    "<!DOCTYPE x><params></params>",
    "<!-- --><params></params>",
    "<params></params><params></params>",
    "<params></params>x",
    "<params ></params>",
    "<params a='b'></params>",
    "<methodResponse></methodResponse>",
    "<methodCall><params></params></methodCall>",
    CALL("<fault><value>x</value></fault>"),
    CALL("<params></params><params></params>"),
    VALUE("a\rb"),
    VALUE("a\001b"),
    VALUE("a]]>b"),
    VALUE("<string>\xef\xbf\xbf</string>"),
    VALUE("<![CDATA[x]]>"),
    VALUE("x<int>1</int>"),
    VALUE("<int>1</int>x"),
    VALUE("<int> 1</int>"),
    VALUE("<int>+1</int>"),
    VALUE("<int></int>"),
    VALUE("<int>-</int>"),
    VALUE("<int>1_0</int>"),
    VALUE("<int>1</i4>"),
    VALUE("<i8>1234567890123456789</i8>"),
    VALUE("<boolean>2</boolean>"),
    VALUE("<boolean>true</boolean>"),
    VALUE("<double>nan</double>"),
    VALUE("<double></double>"),
    VALUE("<double> 1</double>"),
    VALUE("<base64>\xc3\xa9</base64>"),
    VALUE("<base64>&#65;</base64>"),
    VALUE("<nil></nil>"),
    VALUE("<ex:nil/>"),
    VALUE("<bigdecimal>1</bigdecimal>"),
    VALUE("<array></array>"),
    VALUE("<array><data></array>"),
    VALUE("<array><data></data></struct>"),
    VALUE("<struct><member><value>1</value></member></struct>"),
    VALUE("<struct><member><name>a</name></member></struct>"),
    VALUE("<struct><name>a</name><value>1</value></struct>"),
    "<fault><value>x</value><value>x</value></fault>",
};

static void test_foreign(void)
{
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        walk(foreign[i]);
        assert(w.last == FN_XMLRPC_FOREIGN);
    }
}

/* Cut anywhere, or with any one byte changed: never read beyond, never half believed. */
static void test_prefixes_and_changes(void)
{
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof canonical / sizeof canonical[0]; i++) {
        const char *message = canonical[i].message;
        size_t size = strlen(message), whole = size;
        while (whole && strchr(" \r\n\t", message[whole - 1]))
            whole--;
        for (size_t n = 0; n < whole; n++) {
            struct guarded g = guarded_copy(message, n, true);
            xml_walk(g.data, n, &w);
            assert(w.last == FN_XMLRPC_FOREIGN);
            guarded_free(&g);
            g = guarded_copy(message, size, n % 2);
            g.data[n] = (uint8_t)next_random(&random);
            xml_walk(g.data, size, &w);
            guarded_free(&g);
        }
    }
}

static void nest(unsigned levels, bool structs)
{
    static char message[FN_XMLRPC_DEPTH * 100];
    const char *open = structs ? "<value><struct><member><name>a</name>" : "<value><array><data>";
    const char *close = structs ? "</member></struct></value>" : "</data></array></value>";
    char *p = stpcpy(message, "<params><param>");
    for (unsigned i = 0; i < levels; i++)
        p = stpcpy(p, open);
    p = stpcpy(p, "<value>x</value>");
    for (unsigned i = 0; i < levels; i++)
        p = stpcpy(p, close);
    p = stpcpy(p, "</param></params>");
    xml_walk(message, (size_t)(p - message), &w);
}

static void test_depth(void)
{
    for (int structs = 0; structs < 2; structs++) {
        nest(FN_XMLRPC_DEPTH, structs);
        assert(w.last == FN_XMLRPC_END && w.deepest == FN_XMLRPC_DEPTH);
        nest(FN_XMLRPC_DEPTH + 1, structs);
        assert(w.last == FN_XMLRPC_DEEP);
    }
}

int main(void)
{
    test_canonical();
    test_foreign();
    test_prefixes_and_changes();
    test_depth();
    return 0;
}
