// The table that counts calls, makes one fail, and hands the others to the stand-ins. It takes the place of
// cuda/api_real.c.
#include "fake.hpp"

#include <cstring>

namespace
{

fake_control control;

bool fail_now(const char *name)
{
    if (++control.calls != control.fail_at)
        return false;
    control.failed = name;
    return true;
}

// A destructor that fails has still destroyed: nobody could do better than to go on.
bool is_destructor(const char *name)
{
    return strstr(name, "Destroy") || strcmp(name, "cudaFree") == 0;
}

struct Failure {
    operator cudaError_t() const
    {
        return cudaErrorUnknown;
    }
    operator cudnnStatus_t() const
    {
        return CUDNN_STATUS_INTERNAL_ERROR;
    }
    operator cublasStatus_t() const
    {
        return CUBLAS_STATUS_INTERNAL_ERROR;
    }
};

#define FAULTY(type, name, parameters, arguments)                                                                      \
    type faulty_##name parameters                                                                                      \
    {                                                                                                                  \
        if (!fail_now(#name))                                                                                          \
            return fake_##name arguments;                                                                              \
        if (is_destructor(#name))                                                                                      \
            (void)fake_##name arguments;                                                                               \
        return Failure{};                                                                                              \
    }
XST_CUDA_CALLS(FAULTY)

} // namespace

fake_control *fake_state(void)
{
    return &control;
}

xst_status xst_cuda_api_open(xst_cuda_api *api, xst_error *)
{
#define FIELD_FAULTY(type, name, parameters, arguments) faulty_##name,
#define FIELD_FAKE(type, name, parameters, arguments) fake_##name,
    *api = {XST_CUDA_CALLS(FIELD_FAULTY) XST_CUDA_TEXTS(FIELD_FAKE)};
    return XST_OK;
}
