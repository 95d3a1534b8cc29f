/* The table of options and what turns one of its values into text and back. Private to src/config. */
#ifndef XST_CONFIG_OPTIONS_H
#define XST_CONFIG_OPTIONS_H

#include "config/config.h"
#include "config/yaml.h"

#include <stddef.h>

typedef enum xst_option_type {
    XST_OPTION_INT,    /* int */
    XST_OPTION_UINT,   /* uint32_t */
    XST_OPTION_REAL,   /* double */
    XST_OPTION_FLAG,   /* bool */
    XST_OPTION_CHOICE, /* an enum: index into choices */
    XST_OPTION_TEXT,   /* char[XST_TEXT_MAX]; one of choices where there are any */
    XST_OPTION_REALS,  /* xst_reals, ascending */
    XST_OPTION_WIDTHS, /* xst_widths */
    XST_OPTION_TASKS,  /* xst_task_list */
} xst_option_type;

typedef struct xst_option {
    const char *name;
    size_t offset; /* into struct xst_config */
    xst_option_type type;
    bool scaled;                /* an XST_OPTION_INT that stands for 100 epochs (xst_config_epochs) */
    double low, high;           /* of a number, or of each item of a list */
    const char *const *choices; /* NULL-terminated; of an XST_OPTION_INT: the only numbers it takes */
    const char *fallback;       /* default, as text; for a flag it also sets the style of printing, 0/1 or off/on */
    const char *unit;           /* NULL: none */
    const char *help;
    const char *source; /* where the option, or its default, comes from */
} xst_option;

/* Longest value as text (a list of XST_TASKS_MAX tasks). */
enum { XST_VALUE_TEXT = 8192 };

const xst_option *xst_option_at(int index);
/* The heading above an option where its group begins, or NULL. */
const char *xst_option_heading(int index);
/* Index of an option, or -1. */
int xst_option_find(const char *name);
/* Names the nearest option, with the key as it was written: "mask_rl" or "--mask-rl". XST_ERROR_CONFIG. */
xst_status xst_option_unknown(const char *label, xst_error *err);

/* Sets a value. label is the key as the user wrote it and begins every message; XST_ERROR_CONFIG. */
xst_status xst_value_from_node(xst_config *config, const xst_option *option, const char *label,
                               const xst_yaml_node *node, xst_error *err);
xst_status xst_value_from_text(xst_config *config, const xst_option *option, const char *label, const char *text,
                               xst_error *err);
/* False where text is none of 0, 1, on, off, true, false. */
bool xst_flag_parse(const char *text, bool *out);
/* The value as text that xst_value_from_text takes. */
void xst_value_text(const xst_config *config, const xst_option *option, char text[XST_VALUE_TEXT]);
/* "1 to 2500 images"; "" where the option has no range. */
void xst_option_range(const xst_option *option, char text[128]);

#endif
