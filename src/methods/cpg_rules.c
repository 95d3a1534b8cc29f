#include "methods/cpg_rules.h"

#include <math.h>

double xst_cpg_rounded(double percent)
{
    return rint(percent * 100.0);
}

double xst_cpg_share(int stage)
{
    return stage == XST_CPG_STAGES ? 0.95 : stage / 10.0;
}

bool xst_cpg_reaches(double accuracy, double goal)
{
    return xst_cpg_rounded(accuracy) >= xst_cpg_rounded(goal);
}

int xst_cpg_last_stage(bool reached, int capacity, int position)
{
    const int to_come = capacity - position + 1;
    if (reached)
        return XST_CPG_STAGES;
    if (to_come < 1)
        return 0;
    const int tenths = (int)rint(10.0 / to_come);
    return 10 - (tenths > 1 ? tenths : 1);
}

bool xst_cpg_counts(double train_accuracy, double train_floor)
{
    return xst_cpg_rounded(train_accuracy) > rint(train_floor * 1e4);
}

bool xst_cpg_keeps(bool reached, double accuracy, double goal)
{
    return !reached || xst_cpg_reaches(accuracy, goal);
}
