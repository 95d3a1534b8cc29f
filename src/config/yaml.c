#include "config/yaml.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/number.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

/* Far above any configuration or device file; a file beyond them is something else, given by mistake. */
enum { MAX_DEPTH = 32, MAX_NODES = 20000, MAX_BYTES = 1 << 20 };

/* All memory of a tree, freed together. */
typedef struct block {
    struct block *next;
    max_align_t bytes[];
} block;

struct xst_yaml {
    const char *name;
    xst_yaml_node *root;
    block *blocks;
    int nodes;
};

/* A list or map whose end has not been read yet; a map's key waits here for its value. */
typedef struct open_node {
    xst_yaml_node *node, *last;
    const char *key;
    int key_line, key_column;
} open_node;

typedef struct builder {
    xst_yaml *yaml;
    yaml_parser_t parser;
    open_node stack[MAX_DEPTH];
    int depth;
    int documents;
    xst_error *err;
} builder;

static xst_status take(xst_yaml *yaml, size_t size, void **out, xst_error *err)
{
    void *memory = NULL;
    const xst_status status = xst_alloc(&memory, 1, sizeof(block) + size, "YAML", err);
    if (status != XST_OK)
        return status;
    block *const fresh = memory;
    fresh->next = yaml->blocks;
    yaml->blocks = fresh;
    *out = fresh->bytes;
    return XST_OK;
}

static xst_status copy_text(xst_yaml *yaml, const char *bytes, size_t size, const char **out, xst_error *err)
{
    void *memory = NULL;
    const xst_status status = take(yaml, size + 1, &memory, err);
    if (status != XST_OK)
        return status;
    memcpy(memory, bytes, size); /* the block is zeroed, so it ends in NUL */
    *out = memory;
    return XST_OK;
}

static xst_status refuse(const builder *b, yaml_mark_t mark, const char *what)
{
    return xst_fail(b->err, XST_ERROR_CONFIG, "%s:%zu:%zu: %s", b->yaml->name, mark.line + 1, mark.column + 1, what);
}

/* libyaml's own complaint. Its reader tells only a byte offset, the scanner and parser a line and column. */
static xst_status syntax_error(const builder *b, const char *bytes)
{
    const yaml_parser_t *const p = &b->parser;
    const char *const problem = p->problem ? p->problem : "not valid YAML";
    if (p->error == YAML_MEMORY_ERROR)
        return xst_fail(b->err, XST_ERROR_MEMORY, "%s: no memory to read it", b->yaml->name);
    if (p->error == YAML_READER_ERROR) {
        yaml_mark_t mark = {0};
        for (size_t i = 0; i < p->problem_offset; i++) {
            mark.column = bytes[i] == '\n' ? 0 : mark.column + ((bytes[i] & 0xc0) != 0x80);
            mark.line += bytes[i] == '\n';
        }
        return xst_fail(b->err, XST_ERROR_CONFIG, "%s:%zu:%zu: %s: write it as UTF-8 text", b->yaml->name,
                        mark.line + 1, mark.column + 1, problem);
    }
    if (p->context)
        return xst_fail(b->err, XST_ERROR_CONFIG, "%s:%zu:%zu: %s, %s that starts at %zu:%zu", b->yaml->name,
                        p->problem_mark.line + 1, p->problem_mark.column + 1, problem, p->context,
                        p->context_mark.line + 1, p->context_mark.column + 1);
    return refuse(b, p->problem_mark, problem);
}

/* A new node in its place: the root, or the next member of the list or map that is open. */
static xst_status add_node(builder *b, xst_yaml_kind kind, yaml_mark_t mark, xst_yaml_node **out)
{
    open_node *const parent = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;
    void *memory = NULL;
    if (parent && parent->node->kind == XST_YAML_MAP && !parent->key)
        return refuse(b, mark, "a list or map stands where a key is expected: check the indentation");
    if (++b->yaml->nodes > MAX_NODES)
        return refuse(b, mark, "too many values: this is no configuration file");
    const xst_status status = take(b->yaml, sizeof(xst_yaml_node), &memory, b->err);
    if (status != XST_OK)
        return status;
    xst_yaml_node *const node = memory;
    *node = (xst_yaml_node){.kind = kind, .line = (int)mark.line + 1, .column = (int)mark.column + 1};
    *out = node;
    if (!parent) {
        b->yaml->root = node;
        return XST_OK;
    }
    if (parent->key) {
        node->key = parent->key;
        node->line = parent->key_line;
        node->column = parent->key_column;
        parent->key = NULL;
    }
    if (parent->last)
        parent->last->next = node;
    else
        parent->node->child = node;
    parent->last = node;
    return XST_OK;
}

static xst_status open_list_or_map(builder *b, xst_yaml_kind kind, yaml_mark_t mark)
{
    xst_yaml_node *node = NULL;
    if (b->depth == MAX_DEPTH)
        return refuse(b, mark, "lists and maps are nested too deeply");
    const xst_status status = add_node(b, kind, mark, &node);
    if (status == XST_OK)
        b->stack[b->depth++] = (open_node){.node = node};
    return status;
}

static xst_status take_key(builder *b, open_node *map, const char *text, yaml_mark_t mark)
{
    const xst_yaml_node *const same = xst_yaml_member(map->node, text);
    if (same)
        return xst_fail(b->err, XST_ERROR_CONFIG, "%s:%zu:%zu: '%.100s' is given twice, first in line %d: remove one",
                        b->yaml->name, mark.line + 1, mark.column + 1, text, same->line);
    map->key = text;
    map->key_line = (int)mark.line + 1;
    map->key_column = (int)mark.column + 1;
    return XST_OK;
}

static xst_status add_scalar(builder *b, const yaml_event_t *event)
{
    open_node *const parent = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;
    const yaml_mark_t mark = event->start_mark;
    const char *const bytes = (const char *)event->data.scalar.value;
    const size_t size = event->data.scalar.length;
    const char *text = NULL;
    if (memchr(bytes, 0, size))
        return refuse(b, mark, "text contains a NUL character");
    /* The scalar of an empty document; the caller makes an empty map of it. */
    if (!parent && size == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return XST_OK;
    xst_status status = copy_text(b->yaml, bytes, size, &text, b->err);
    if (status != XST_OK)
        return status;
    if (parent && parent->node->kind == XST_YAML_MAP && !parent->key)
        return take_key(b, parent, text, mark);
    xst_yaml_node *node = NULL;
    status = add_node(b, XST_YAML_SCALAR, mark, &node);
    if (status == XST_OK)
        node->text = text;
    return status;
}

static bool has_anchor_or_tag(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    default:
        return event->type == YAML_ALIAS_EVENT;
    }
}

static xst_status take_event(builder *b, const yaml_event_t *event)
{
    if (has_anchor_or_tag(event))
        return refuse(b, event->start_mark,
                      "anchors (&), aliases (*) and tags (!) are not supported: write the value out");
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return b->documents++ > 0
                   ? refuse(b, event->start_mark, "a second document starts here: put it into its own file")
                   : XST_OK;
    case YAML_SCALAR_EVENT:
        return add_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_list_or_map(b, XST_YAML_LIST, event->start_mark);
    case YAML_MAPPING_START_EVENT:
        return open_list_or_map(b, XST_YAML_MAP, event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return XST_OK;
    default:
        return XST_OK;
    }
}

static xst_status build(builder *b, const char *bytes, size_t size)
{
    xst_status status = XST_OK;
    bool end = false;
    if (size > MAX_BYTES)
        return xst_fail(b->err, XST_ERROR_CONFIG, "%s: %zu bytes are too many for a configuration file", b->yaml->name,
                        size);
    if (!yaml_parser_initialize(&b->parser))
        return xst_fail(b->err, XST_ERROR_MEMORY, "%s: no memory to read it", b->yaml->name);
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)bytes, size);
    while (status == XST_OK && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b->parser, &event)) {
            status = syntax_error(b, bytes);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        status = take_event(b, &event);
        yaml_event_delete(&event);
    }
    if (status == XST_OK && !b->yaml->root) {
        xst_yaml_node *node = NULL;
        status = add_node(b, XST_YAML_MAP, (yaml_mark_t){0}, &node);
    }
    yaml_parser_delete(&b->parser);
    return status;
}

xst_status xst_yaml_parse(const char *name, const char *bytes, size_t size, xst_yaml **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_yaml), "YAML", err);
    if (status != XST_OK)
        return status;
    xst_yaml *const yaml = memory;
    builder b = {.yaml = yaml, .err = err};
    status = copy_text(yaml, name, strlen(name), &yaml->name, err);
    if (status == XST_OK)
        status = build(&b, bytes, size);
    if (status != XST_OK) {
        xst_yaml_destroy(yaml);
        return status;
    }
    *out = yaml;
    return XST_OK;
}

xst_status xst_yaml_read(const char *path, xst_yaml **out, xst_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    *out = NULL;
    xst_status status = xst_file_read(path, &bytes, &size, err);
    if (status != XST_OK)
        return xst_fail_context(err, XST_ERROR_CONFIG, "configuration");
    status = xst_yaml_parse(path, bytes, size, out, err);
    xst_free(bytes);
    return status;
}

const xst_yaml_node *xst_yaml_root(const xst_yaml *yaml)
{
    return yaml->root;
}

const char *xst_yaml_name(const xst_yaml *yaml)
{
    return yaml->name;
}

const xst_yaml_node *xst_yaml_member(const xst_yaml_node *map, const char *key)
{
    if (map->kind != XST_YAML_MAP)
        return NULL;
    for (const xst_yaml_node *member = map->child; member; member = member->next)
        if (strcmp(member->key, key) == 0)
            return member;
    return NULL;
}

void xst_yaml_destroy(xst_yaml *yaml)
{
    if (!yaml)
        return;
    for (block *b = yaml->blocks; b;) {
        block *const next = b->next;
        xst_free(b);
        b = next;
    }
    xst_free(yaml);
}

xst_status xst_yaml_double(const xst_yaml *yaml, const xst_yaml_node *node, double *out, xst_error *err)
{
    const char *const key = node->key ? node->key : "list item";
    if (node->kind != XST_YAML_SCALAR)
        return xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: %s is a %s, not a number", yaml->name, node->line,
                        node->column, key, node->kind == XST_YAML_LIST ? "list" : "map");
    if (!xst_number_parse(node->text, out))
        return xst_fail(err, XST_ERROR_CONFIG, "%s:%d:%d: %s: '%.100s' is not a number", yaml->name, node->line,
                        node->column, key, node->text);
    return XST_OK;
}
