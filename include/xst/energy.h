/* Energy, latency and area of networks on ReRAM crossbars (method notes, section 10).
 *
 * Two ways in: a network file with drawn weights and inputs, as the circuit simulator NeuroSim takes them, or the run
 * folders of trained networks. All figures are SI; energies are read (dynamic) energies per inference, with leakage
 * beside them. Parts are disjoint and sum to the energy; components are sums of parts. */
#ifndef XST_ENERGY_H
#define XST_ENERGY_H

#include "xst/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum xst_energy_part {
    XST_PART_CELLS,        /* current through the cells: conductance term of the ADC's power fit */
    XST_PART_CONVERT,      /* constant term of the fit, and idle columns */
    XST_PART_WORDLINE,     /* wire and access gates of active rows */
    XST_PART_SWITCH,       /* word-line switches */
    XST_PART_MUX,          /* column multiplexers */
    XST_PART_MUX_DECODER,  /* their decoders */
    XST_PART_SHIFT_WEIGHT, /* shift-add over the cells of a weight */
    XST_PART_SHIFT_INPUT,  /* shift-add over the bits of an input */
    XST_PART_PE_TREE,      /* adder tree over arrays */
    XST_PART_TILE_TREE,    /* over processing elements (PEs) */
    XST_PART_CHIP_TREE,    /* over tiles */
    XST_PART_PE_IN,        /* PE buffers */
    XST_PART_PE_OUT,
    XST_PART_TILE_IN, /* tile buffers */
    XST_PART_TILE_OUT,
    XST_PART_GLOBAL_READ, /* global buffer */
    XST_PART_GLOBAL_WRITE,
    XST_PART_PE_BUS_IN, /* wires inside a PE */
    XST_PART_PE_BUS_OUT,
    XST_PART_TILE_TREE_WIRE, /* H-tree of a tile */
    XST_PART_GLOBAL_BUS,     /* X-Y bus of the chip */
    XST_PART_RELU,
    XST_PART_POOL,
    XST_PARTS
} xst_energy_part;

typedef enum xst_component {
    XST_COMPONENT_ARRAY,
    XST_COMPONENT_ADC,
    XST_COMPONENT_WORDLINE,
    XST_COMPONENT_MUX,
    XST_COMPONENT_ACCUMULATION,
    XST_COMPONENT_BUFFER,
    XST_COMPONENT_INTERCONNECT,
    XST_COMPONENT_OTHER,
    XST_COMPONENTS
} xst_component;

const char *xst_component_name(xst_component component); /* "array", "adc", ... */
const char *xst_part_name(xst_energy_part part);         /* "sub.sar_adc" and the like, as NeuroSim's counters */
xst_component xst_part_component(xst_energy_part part);

/* `column`: every logical column has its own stretch of a physical column and is switched by itself; `dense`:
 * NeuroSim's conventional mapping. */
typedef enum xst_mapping { XST_MAPPING_DENSE, XST_MAPPING_COLUMN } xst_mapping;

/* What holds for a layer and for a whole network alike. */
typedef struct xst_energy_figures {
    char name[64];
    double energy[XST_PARTS];       /* J */
    double latency[XST_COMPONENTS]; /* s */
    double area[XST_COMPONENTS];    /* m2 */
    double blank_area;              /* m2 without circuits */
    double leakage_energy;          /* J */
    double leakage_power;           /* W, of these tiles */
    double arrays_on_chip, arrays_mapped;
    double array_reads, adc_conversions, idle_conversions; /* idle: of columns without an active row */
    double cells_used;                                     /* cells that hold a weight */
    double utilisation;                                    /* cells_used / cells of the arrays mapped */
    double stale_energy;                                   /* J included by neurosim_compat alone */
} xst_energy_figures;

typedef struct xst_energy_report {
    xst_energy_figures total;
    int layer_count;
    xst_energy_figures *layers;                                  /* [layer_count] */
    double clock;                                                /* s */
    double tile_cells, pe_cells, tiles, grid_rows, grid_columns; /* floorplan; sides in cells */
    double bus_bits, buffer_cores;
} xst_energy_report;

double xst_figures_energy(const xst_energy_figures *figures);
double xst_figures_component(const xst_energy_figures *figures, xst_component component);
double xst_figures_latency(const xst_energy_figures *figures);
double xst_figures_area(const xst_energy_figures *figures);
void xst_energy_report_free(xst_energy_report *report);

/* A device, opened by name (hfo2-32nm, isaac, ...) or file (NAME.yaml). */
typedef struct xst_device xst_device;
xst_status xst_device_open(const char *name_or_path, xst_device **out, xst_error *err);
void xst_device_close(xst_device *device);
const char *xst_device_name(const xst_device *device);
const char *xst_device_hash(const xst_device *device); /* SHA-256 of the resolved constants */

/* A network file (IFM rows, columns, channels, kernel rows, columns, outputs, pooling follows, stride; one layer a
 * line) with drawn weights and inputs: each layer gets exactly density of non-zero weights and input_density of
 * one-bits, rounded, at places that seed picks. */
typedef struct xst_energy_network {
    const char *path;
    double density, input_density; /* 0..1 */
    int input_bits;                /* 1..8 */
    uint32_t seed;
    int neurosim_compat; /* NeuroSim's stale PEs and leakage of the trees last used */
} xst_energy_network;

xst_status xst_energy_of_network(const xst_device *device, const xst_energy_network *network, xst_energy_report *out,
                                 xst_error *err);

/* Writing the cells of one task. Totals of method comparisons are over tasks 2..N. */
typedef struct xst_programming {
    double cells_set, cells_reset; /* cells whose conductance rises, falls */
    double pulses, energy;         /* J */
    double seconds;                /* rows of an array one after the other, arrays in parallel */
} xst_programming;

typedef struct xst_energy_task {
    int task;                                 /* position, from 1 */
    char name[64];                            /* of its classes */
    xst_energy_report inference;              /* one image */
    double columns_on, columns;               /* logical columns of the masked layers */
    double all_on_energy, all_on_conversions; /* the same weights, every logical column on (mapping column) */
    double dense_energy, dense_conversions;   /* the same weights, mapping dense */
    xst_programming programming;
} xst_energy_task;

/* Who owns each logical column of a layer after the last task: 0 nobody, else the task. */
typedef struct xst_energy_owners {
    char name[64];
    int filters, groups;
    uint16_t *owner; /* [filters * groups] */
} xst_energy_owners;

typedef struct xst_energy_run {
    char run[1024], method[32], quant[16];
    xst_mapping mapping;
    int input_bits;
    int column_wise; /* the method switches columns: only those on are read */
    int map_head;    /* heads stand on arrays of their own */
    int task_count;
    xst_energy_task *tasks;
    int layer_count;
    xst_energy_owners *layers; /* owner NULL where the run is element-wise */
    char *circuits;            /* formulas and values of its circuits and floorplan, for explanations */
    double most_writes;        /* of any cell, over all tasks */
    double endurance_used;     /* most_writes over what a cell bears */
} xst_energy_run;

/* Energies of a run folder, from its files alone: weights and masks of its tasks, and activity.csv, which `xst eval`
 * writes. A float run is first quantised post-training. */
typedef struct xst_energy_run_options {
    xst_mapping mapping;
    int input_bits;      /* 4 or 8; the first layer takes the image at 8 */
    const char *quant;   /* of float runs: "apot4" where NULL */
    int neurosim_compat; /* mapping dense only */
    int map_head;        /* the head of a task stands on arrays of its own, mapped dense; 0: as the run's map_head */
} xst_energy_run_options;

xst_status xst_energy_of_run(const xst_device *device, const char *path, const xst_energy_run_options *options,
                             xst_energy_run *out, xst_error *err);
void xst_energy_run_free(xst_energy_run *run);

/* How results are written: tables for people, for spreadsheets and for pages, and one JSON document. */
typedef enum xst_energy_format {
    XST_ENERGY_TEXT,
    XST_ENERGY_CSV,
    XST_ENERGY_MARKDOWN,
    XST_ENERGY_JSON
} xst_energy_format;

/* *out: NUL-terminated, freed with xst_energy_text_free. explain: every formula with its numbers and sources as well.
 */
xst_status xst_energy_write_network(const xst_device *device, const xst_energy_network *network,
                                    const xst_energy_report *report, xst_energy_format format, int explain, char **out,
                                    xst_error *err);
xst_status xst_energy_write_runs(const xst_device *device, const xst_energy_run *runs, int count,
                                 xst_energy_format format, int explain, char **out, xst_error *err);
void xst_energy_text_free(char *text);

/* Tables (CSV), plots of energy per task and occupancy pictures of one or more runs into a folder; SVG where gnuplot is
 * there, else its scripts and data alone (*plotted = 0). */
xst_status xst_energy_plot_runs(const xst_energy_run *runs, int count, const char *folder, int *plotted,
                                xst_error *err);

#ifdef __cplusplus
}
#endif
#endif
