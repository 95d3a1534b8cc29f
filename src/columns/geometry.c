#include "columns/geometry.h"

xst_geometry xst_geometry_make(int32_t out, int32_t in, int32_t kh, int32_t kw, int32_t group)
{
    xst_geometry g = {.out = out, .in = in, .kh = kh, .kw = kw};
    g.group = group < in ? group : in;
    g.groups = g.group > 0 ? (in + g.group - 1) / g.group : in * kh * kw;
    g.longest = g.group > 0 ? g.group * kh * kw : 1;
    g.columns = (uint32_t)out * (uint32_t)g.groups;
    return g;
}
