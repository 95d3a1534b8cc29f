#include "cli/commands.h"

#include "base/error.h"
#include "config/config.h"

#include <string.h>

static const xst_cli_command commands[] = {
    {"train", "learn tasks one after the other into a run folder",
     "xst train [CONFIG.yaml] [--KEY VALUE]... --out RUN\n"
     "xst train --resume --out RUN\n",
     "  CONFIG.yaml   options as lines of `key: value`; the command line wins over it\n"
     "  --out RUN     the run folder to make\n"
     "  --resume      go on with a run that was stopped, with the options of its config.yaml\n"
     "  --dry-run     show what the run would take, and write nothing\n"
     "  -v            say more; with --dry-run, list the operations of a step\n"
     "\n"
     "Lists are written as in YAML (--tasks \"[3, 0, 7]\"); an on/off option alone means on.\n",
     xst_cli_train},
    {"eval", "evaluate every task of runs again, from the exported columns and masks alone",
     "xst eval RUN... [--data DIR] [--backend NAME] [--precision NAME] [--threads N] [--json]\n",
     "  --data DIR    where the data is now; backend, precision and threads likewise replace the run's\n"
     "  --json        one JSON document on stdout\n"
     "\n"
     "Exit code 1: a logit differs from the stored one.\n",
     xst_cli_eval},
    {"compare", "tables over runs: accuracy, forgetting, time, bytes",
     "xst compare RUN... [--out DIR] [--data DIR] [--json]\n",
     "  --out DIR     also write them there as CSV, Markdown and JSON, with plots (SVG where gnuplot is installed)\n"
     "  --data DIR    where the images are now: paired tests need their labels\n"
     "  --json        one JSON document on stdout instead of the tables\n"
     "\n"
     "Runs that cannot be compared with the first finished one (unfinished, other tasks, images or net) are marked\n"
     "by name, and left out of means, tests and ratios.\n",
     xst_cli_compare},
    {"energy", "energy, latency and area of runs or of a network on a crossbar",
     "xst energy RUN... [--device FILE.yaml|NAME] [--mapping dense|column] [--input-bits 4|8] [--quant NAME]\n"
     "           [--map-head] [--out DIR] [--explain] [--json|--csv|--markdown]\n"
     "xst energy --network NET.csv --density D --input-density D2 --seed S [--input-bits 4|8] [--neurosim-compat]\n"
     "           [--device FILE.yaml|NAME] [--explain] [--json|--csv|--markdown]\n",
     "  --device      device file, or the name of a ready one: hfo2-32nm (default), isaac, prime, pipelayer, dpe\n"
     "  --mapping     how a layer lies on the arrays: column for runs, dense for a network\n"
     "  --input-bits  bit planes of the inputs (8); a run's first layer takes the image at 8\n"
     "  --quant       how float weights are stored: apot4 (default), apot2 .. apot8, uniform2 .. uniform8\n"
     "  --map-head    each task's head on arrays of its own, mapped dense, and not digital\n"
     "  --density, --input-density  shares of non-zero weights and of one-bits that a network's layers get\n"
     "  --neurosim-compat  NeuroSim's double count of PEs outside a matrix, and its leakage (dense)\n"
     "  --out DIR     data, plots of energy per task and pictures of who owns which column\n"
     "  --explain     every formula with its numbers and sources\n"
     "  --json, --csv, --markdown  in place of plain tables\n",
     xst_cli_energy},
    {"export", "write one task's effective network for other programs",
     "xst export RUN --task N --out FILE\n"
     "xst export RUN --task N --neurosim DIR [--image I] [--quant NAME] [--data DIR] [--backend NAME]\n"
     "           [--precision NAME] [--threads N]\n",
     "  --task N      position of the task in the run, from 1\n"
     "  --out FILE    .safetensors or .h5, named as torchvision's vgg16_bn\n"
     "  --neurosim    network, quantised weights and input bits of the masked layers, and the command that runs\n"
     "                NeuroSim on them; DIR must be absent or empty\n"
     "  --image I     which test image of the task goes through the net (1, the first)\n"
     "  --quant       how float weights are stored: apot4 (default), apot2 .. apot8, uniform2 .. uniform8\n"
     "  --data DIR    where the data is now; backend, precision and threads likewise replace the run's\n",
     xst_cli_export},
    {"bench", "time training steps and their operations on this machine",
     "xst bench [--rounds N] [--KEY VALUE]... [--json]\n",
     "  --rounds N    how often each thing is timed\n"
     "  --KEY VALUE   an option of the run that is timed, as for train\n"
     "  --json        one JSON document on stdout\n",
     xst_cli_bench},
    {"info", "version, libraries, processor and backends", "xst info [--json] [-v]\n",
     "  --json        one JSON document on stdout\n"
     "  -v            also every option with its default\n",
     xst_cli_info},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

int xst_cli_command_count(void)
{
    return COMMANDS;
}

const xst_cli_command *xst_cli_command_at(int index)
{
    return &commands[index];
}

xst_status xst_cli_command_find(const char *name, const xst_cli_command **out, xst_error *err)
{
    const char *names[COMMANDS];
    *out = NULL;
    for (int i = 0; i < COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(names[i], name) == 0) {
            *out = &commands[i];
            return XST_OK;
        }
    }
    const int nearest = xst_text_nearest(name, names, COMMANDS);
    if (nearest < 0)
        return xst_fail(err, XST_ERROR_USAGE, "unknown command '%.100s': `xst --help` lists them", name);
    return xst_fail(err, XST_ERROR_USAGE, "unknown command '%.100s': did you mean '%s'?", name, names[nearest]);
}

static void add_usage(const xst_cli_command *command, xst_text *text)
{
    xst_text_add(text, "%s - %s\n\n%s\n%s", command->name, command->summary, command->usage, command->details);
    if (strcmp(command->name, "train") != 0)
        return;
    xst_text_add(text,
                 "\nOptions, also keys of CONFIG.yaml (there with _ in place of -). In brackets: values, default, and\n"
                 "where the option or its default comes from.\n\n");
    xst_config_help(text);
}

void xst_cli_help(const xst_cli_command *command, xst_text *text)
{
    if (command) {
        add_usage(command, text);
        return;
    }
    xst_text_add(text, "xst - crossbar column-wise sparse training for continual learning\n\nxst COMMAND ...\n");
    for (int i = 0; i < COMMANDS; i++)
        xst_text_add(text, "  %-9s %s\n", commands[i].name, commands[i].summary);
    xst_text_add(text,
                 "xst COMMAND --help   its options\n"
                 "xst --version        version and commit\n"
                 "\n"
                 "Results go to stdout, progress and messages to stderr. Exit code: 0 done; 1 failed while running;\n"
                 "2 refused, with nothing written; 130 or 143 stopped by a signal after saving.\n");
}
