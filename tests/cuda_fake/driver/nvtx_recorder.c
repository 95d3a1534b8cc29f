/* A profiler as NVTX sees it (NVTX_INJECTION64_PATH): writes the names of ranges, indented, to the file NVTX_RECORD. */
#include <nvtx3/nvToolsExt.h>
#include <stdio.h>
#include <stdlib.h>

int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t get);

static int depth;

static void write_line(const char *text)
{
    FILE *const f = fopen(getenv("NVTX_RECORD"), "a");
    if (!f)
        return;
    fprintf(f, "%*s%s\n", depth, "", text);
    fclose(f);
}

static int NVTX_API push(const char *name)
{
    write_line(name);
    return depth++;
}

static int NVTX_API pop(void)
{
    if (--depth < 0)
        write_line("an end without a begin");
    return depth;
}

int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t get)
{
    const NvtxExportTableCallbacks *const callbacks = get(NVTX_ETID_CALLBACKS);
    NvtxFunctionTable table = NULL;
    unsigned size = 0;
    if (!callbacks || !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &table, &size) ||
        size <= NVTX_CBID_CORE_RangePop)
        return 0;
    *table[NVTX_CBID_CORE_RangePushA] = (NvtxFunctionPointer)push;
    *table[NVTX_CBID_CORE_RangePop] = (NvtxFunctionPointer)pop;
    return 1;
}
