/* YAML files as a tree of nodes that remember where they stand, for configurations, device files and the like.
 *
 * Read with libyaml's event API. Scalars are plain text: `no`, `012` and `1_000` stay what they are (YAML 1.1 would
 * change them). Anchors, aliases, tags and several documents are refused, with line and column. */
#ifndef XST_CONFIG_YAML_H
#define XST_CONFIG_YAML_H

#include "xst/status.h"

#include <stddef.h>

typedef enum xst_yaml_kind { XST_YAML_SCALAR, XST_YAML_LIST, XST_YAML_MAP } xst_yaml_kind;

typedef struct xst_yaml_node xst_yaml_node;
struct xst_yaml_node {
    xst_yaml_kind kind;
    const char *key;            /* of a map's member; NULL else */
    const char *text;           /* of a scalar; NULL else */
    int line, column;           /* from 1; of the key where there is one */
    const xst_yaml_node *child; /* first member of a list or map */
    const xst_yaml_node *next;  /* next member of the same parent */
};

typedef struct xst_yaml xst_yaml;

/* name is used in messages ("NAME:LINE:COLUMN: ..."). An empty document is an empty map. A key that a map holds twice
 * is an error. XST_ERROR_CONFIG. */
xst_status xst_yaml_parse(const char *name, const char *bytes, size_t size, xst_yaml **out, xst_error *err);
xst_status xst_yaml_read(const char *path, xst_yaml **out, xst_error *err);
const xst_yaml_node *xst_yaml_root(const xst_yaml *yaml);
const char *xst_yaml_name(const xst_yaml *yaml);
/* Member of a map by key, or NULL. */
const xst_yaml_node *xst_yaml_member(const xst_yaml_node *map, const char *key);
void xst_yaml_destroy(xst_yaml *yaml);

/* A scalar as a number; XST_ERROR_CONFIG with file, line and column where it is not one (also nan and inf). */
xst_status xst_yaml_double(const xst_yaml *yaml, const xst_yaml_node *node, double *out, xst_error *err);

#endif
