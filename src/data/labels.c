#include "data/labels.h"

#include <stdio.h>
#include <string.h>

static const char *const cifar_coarse[XST_SUPERCLASSES] = {
    "aquatic_mammals",
    "fish",
    "flowers",
    "food_containers",
    "fruit_and_vegetables",
    "household_electrical_devices",
    "household_furniture",
    "insects",
    "large_carnivores",
    "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores",
    "medium_mammals",
    "non-insect_invertebrates",
    "people",
    "reptiles",
    "small_mammals",
    "trees",
    "vehicles_1",
    "vehicles_2",
};

static const struct {
    const char *name;
    uint8_t coarse;
} cifar_fine[XST_CLASSES_MAX] = {
    {"apple", 4},     {"aquarium_fish", 1}, {"baby", 14},       {"bear", 8},          {"beaver", 0},
    {"bed", 6},       {"bee", 7},           {"beetle", 7},      {"bicycle", 18},      {"bottle", 3},
    {"bowl", 3},      {"boy", 14},          {"bridge", 9},      {"bus", 18},          {"butterfly", 7},
    {"camel", 11},    {"can", 3},           {"castle", 9},      {"caterpillar", 7},   {"cattle", 11},
    {"chair", 6},     {"chimpanzee", 11},   {"clock", 5},       {"cloud", 10},        {"cockroach", 7},
    {"couch", 6},     {"crab", 13},         {"crocodile", 15},  {"cup", 3},           {"dinosaur", 15},
    {"dolphin", 0},   {"elephant", 11},     {"flatfish", 1},    {"forest", 10},       {"fox", 12},
    {"girl", 14},     {"hamster", 16},      {"house", 9},       {"kangaroo", 11},     {"keyboard", 5},
    {"lamp", 5},      {"lawn_mower", 19},   {"leopard", 8},     {"lion", 8},          {"lizard", 15},
    {"lobster", 13},  {"man", 14},          {"maple_tree", 17}, {"motorcycle", 18},   {"mountain", 10},
    {"mouse", 16},    {"mushroom", 4},      {"oak_tree", 17},   {"orange", 4},        {"orchid", 2},
    {"otter", 0},     {"palm_tree", 17},    {"pear", 4},        {"pickup_truck", 18}, {"pine_tree", 17},
    {"plain", 10},    {"plate", 3},         {"poppy", 2},       {"porcupine", 12},    {"possum", 12},
    {"rabbit", 16},   {"raccoon", 12},      {"ray", 1},         {"road", 9},          {"rocket", 19},
    {"rose", 2},      {"sea", 10},          {"seal", 0},        {"shark", 1},         {"shrew", 16},
    {"skunk", 12},    {"skyscraper", 9},    {"snail", 13},      {"snake", 15},        {"spider", 13},
    {"squirrel", 16}, {"streetcar", 19},    {"sunflower", 2},   {"sweet_pepper", 4},  {"table", 6},
    {"tank", 19},     {"telephone", 5},     {"television", 5},  {"tiger", 8},         {"tractor", 19},
    {"train", 18},    {"trout", 1},         {"tulip", 2},       {"turtle", 15},       {"wardrobe", 6},
    {"whale", 0},     {"willow_tree", 17},  {"wolf", 8},        {"woman", 14},        {"worm", 13},
};

void xst_labels_cifar100(xst_labels *labels)
{
    memset(labels, 0, sizeof *labels);
    for (int i = 0; i < XST_SUPERCLASSES; i++)
        snprintf(labels->coarse[i], XST_LABEL_NAME, "%s", cifar_coarse[i]);
    for (int i = 0; i < XST_CLASSES_MAX; i++) {
        snprintf(labels->fine[i], XST_LABEL_NAME, "%s", cifar_fine[i].name);
        labels->coarse_of[i] = cifar_fine[i].coarse;
    }
}

void xst_labels_synthetic(xst_labels *labels)
{
    enum { CLASSES = XST_CLASSES_MAX / XST_SUPERCLASSES };
    memset(labels, 0, sizeof *labels);
    for (int k = 0; k < XST_SUPERCLASSES; k++) {
        snprintf(labels->coarse[k], XST_LABEL_NAME, "synthetic_%02d", k);
        for (int j = 0; j < CLASSES; j++) {
            snprintf(labels->fine[k * CLASSES + j], XST_LABEL_NAME, "s%02d_c%d", k, j);
            labels->coarse_of[k * CLASSES + j] = (uint8_t)k;
        }
    }
}
