/* The configuration of a run: every option by its key. interface.md of the documentation names them; `xst train --help`
 * lists them with type, unit, range and default. Values are given as text, as YAML writes them. */
#ifndef XST_CONFIG_H
#define XST_CONFIG_H

#include "xst/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct xst_config xst_config;

/* All options at their defaults. */
xst_status xst_config_create(xst_config **out, xst_error *err);
void xst_config_destroy(xst_config *config);
/* Sets one option: xst_config_set(c, "tasks", "[3, 0, 7]", &err). Unknown keys and values out of range are refused,
 * with the nearest key or value named. */
xst_status xst_config_set(xst_config *config, const char *key, const char *value, xst_error *err);
/* Reads a YAML file over what is there; errors name file, line and column. */
xst_status xst_config_load(xst_config *config, const char *path, xst_error *err);
/* The value of an option as text that xst_config_set takes; NULL for an unknown key. Valid until the next call with
 * this config. */
const char *xst_config_get(xst_config *config, const char *key);

#ifdef __cplusplus
}
#endif
#endif
