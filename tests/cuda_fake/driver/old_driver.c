/* As much of a driver (libcuda.so.1) as a runtime asks before it finds the driver too old. */
int cuDriverGetVersion(int *version);
int cuInit(unsigned flags);

int cuDriverGetVersion(int *version)
{
    *version = 11040;
    return 0;
}

int cuInit(unsigned flags)
{
    (void)flags;
    return 0;
}
