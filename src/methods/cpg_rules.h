/* The decisions of CPG (method notes, section 7) by themselves. Accuracies are percent, rounded to two decimals where
 * they are compared. */
#ifndef XST_METHODS_CPG_RULES_H
#define XST_METHODS_CPG_RULES_H

#include <stdbool.h>

enum { XST_CPG_STAGES = 10 };

/* Share of weights that stage 1 .. 10 has released at its end: 0.1 .. 0.9, 0.95; stage 0: 0. */
double xst_cpg_share(int stage);
/* An accuracy in hundredths of a percent, as they are compared. */
double xst_cpg_rounded(double percent);
/* Whether a fine-tuned net or a pruned one is good enough. */
bool xst_cpg_reaches(double accuracy, double goal);
/* The last stage that pruning may come to: all of them where the fine-tuned net reaches its goal; else so many that the
 * task leaves its share to the tasks to come: s = 1 - q, q = max(0.1, rint(10/(T-t+1))/10); 0: none. */
int xst_cpg_last_stage(bool reached, int capacity, int position);
/* Whether a stage's net counts: its training accuracy (percent) is above the floor (share). */
bool xst_cpg_counts(double train_accuracy, double train_floor);
/* Whether the net of a stage that counts is to be kept instead of the one before. */
bool xst_cpg_keeps(bool reached, double accuracy, double goal);

#endif
