/* The methods, a row each: X(ID, "name", object). The object, `const xst_method`, stands in the method's file under
 * src/methods/. */
#ifndef XST_CONFIG_METHODS_H
#define XST_CONFIG_METHODS_H

#define XST_METHODS(X)                                                                                                 \
    X(XST, "xst", xst_method_xst)                                                                                      \
    X(XST_ELEMENT, "xst-element", xst_method_xst_element)                                                              \
    X(SCRATCH, "scratch", xst_method_scratch)                                                                          \
    X(FINETUNE, "finetune", xst_method_finetune)                                                                       \
    X(CPG, "cpg", xst_method_cpg)                                                                                      \
    X(PACKNET, "packnet", xst_method_packnet)                                                                          \
    X(PIGGYBACK, "piggyback", xst_method_piggyback)                                                                    \
    X(XBM, "xbm", xst_method_xbm)                                                                                      \
    X(RIGL, "rigl", xst_method_rigl)

typedef enum xst_method_id {
#define XST_METHOD_ENUM(ID, name, object) XST_METHOD_##ID,
    XST_METHODS(XST_METHOD_ENUM)
#undef XST_METHOD_ENUM
        XST_METHOD_COUNT
} xst_method_id;

#endif
