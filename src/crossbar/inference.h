/* Energy of one inference of a task of a run (method notes, section 10). */
#ifndef XST_CROSSBAR_INFERENCE_H
#define XST_CROSSBAR_INFERENCE_H

#include "crossbar/run_plan.h"

/* What the logical columns of a layer conduct under the column mapping, by column and array it goes through: sums over
 * the cells of a weight of G^exponent and of that times the ratio of xst_factors. */
typedef struct xst_powers {
    float *power, *scaled; /* [columns * span] */
} xst_powers;

xst_status xst_powers_make(const xst_layout *layout, xst_powers *out, xst_error *err);
void xst_powers_free(xst_powers *powers);
/* Measures the columns that the current task wrote, or all where the method switches no columns. */
void xst_powers_update(const xst_run_plan *plan, const xst_run_net *net, int layer, xst_powers *powers);

/* Energy, counts and latency of a layer (both zero before). all_on: the same where every logical column is read; those
 * that are off hold zeros. */
xst_status xst_layer_column_energy(const xst_run_plan *plan, const xst_run_net *net, int layer,
                                   const xst_powers *powers, const xst_activity_entry *activity,
                                   xst_energy_figures *out, xst_energy_figures *all_on, xst_error *err);
xst_status xst_layer_dense_energy(const xst_run_plan *plan, const xst_run_net *net, int layer,
                                  const xst_activity_entry *activity, bool stale, xst_energy_figures *out,
                                  xst_error *err);

/* The current task's head, mapped dense whatever the mapping of the layers. */
xst_status xst_head_energy(const xst_run_plan *plan, const xst_run_net *net, const xst_activity_entry *activity,
                           bool stale, xst_energy_figures *out, xst_error *err);

/* Conductances of the cells of each code, in an array where rows x columns cells are used. Two cells share a word of
 * fixed-point numbers, so that a weight costs two additions: shares of the largest conductance, and their squares. */
enum { XST_CELL_PAIRS = XST_CELLS_MAX / 2 };
typedef struct xst_code_conductances {
    double unit; /* S of one step of a conductance */
    int pairs;
    bool short_codes; /* of 4 bits and two cells at most: two weights are looked up at once */
    uint64_t of[XST_CELL_PAIRS][XST_CODES_MAX], squares[XST_CELL_PAIRS][XST_CODES_MAX];
    uint64_t two[256][2]; /* [code | next code << 4]: sums of `of` and of `squares` */
} xst_code_conductances;
void xst_code_conductances_make(const xst_run_plan *plan, const xst_codes *codes, int layer, double rows,
                                xst_code_conductances *out);
/* Sums over the cells of a stretch of codes, at most 4096, S and S^2; [codes.cells], one more where that is odd. */
void xst_sum_codes(const xst_code_conductances *table, const uint8_t *code, int rows, double sum[XST_CELLS_MAX],
                   double squares[XST_CELLS_MAX]);

#endif
