#include "data/cifar.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCAN_RECORDS = 1024 };

static const char *const part_file[XST_PARTS] = {[XST_TRAIN] = "train.bin", [XST_TEST] = "test.bin"};

typedef struct part_labels {
    char path[XST_PATH_MAX];
    int fd;
    uint32_t count;
    uint8_t *fine; /* [count]: the fine label of each record */
    uint32_t of_class[XST_CLASSES_MAX];
} part_labels;

struct xst_cifar {
    char folder[XST_PATH_MAX];
    part_labels part[XST_PARTS];
};

static xst_status read_at(const part_labels *part, uint8_t *bytes, size_t size, off_t offset, xst_error *err)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = pread(part->fd, bytes + done, size - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return xst_fail(err, XST_ERROR_DATA, "cannot read '%s' at byte %lld: %s", part->path,
                            (long long)offset + (long long)done, n < 0 ? strerror(errno) : "it became shorter");
        done += (size_t)n;
    }
    return XST_OK;
}

static xst_status open_part(part_labels *part, const char *folder, const char *name, xst_error *err)
{
    struct stat st;
    xst_status status = xst_path(part->path, err, "%s/%s", folder, name);
    if (status != XST_OK)
        return status;
    part->fd = open(part->path, O_RDONLY | O_CLOEXEC);
    if (part->fd < 0)
        return xst_fail(err, XST_ERROR_DATA,
                        "data '%.400s': cannot open %s: %s: it needs train.bin and test.bin of CIFAR-100's binary "
                        "version (scripts/get_cifar100.sh DIR fetches them)",
                        folder, name, strerror(errno));
    if (fstat(part->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return xst_fail(err, XST_ERROR_DATA, "data '%.400s': %s is not a plain file", folder, name);
    const long long left = (long long)st.st_size % XST_RECORD_BYTES, records = (long long)st.st_size / XST_RECORD_BYTES;
    if (left != 0)
        return xst_fail(err, XST_ERROR_DATA,
                        "data '%.400s': %s is truncated or not CIFAR-100's binary version: after %lld records of %d "
                        "bytes, %lld bytes are left over; scripts/get_cifar100.sh DIR fetches a good one",
                        folder, name, records, XST_RECORD_BYTES, left);
    if (records == 0 || records > UINT32_MAX)
        return xst_fail(err, XST_ERROR_DATA, "data '%.400s': %s %s; scripts/get_cifar100.sh DIR fetches a good one",
                        folder, name, records == 0 ? "is empty" : "is far too large");
    part->count = (uint32_t)records;
    return XST_OK;
}

static xst_status check_record(const part_labels *part, const xst_labels *labels, uint32_t index, const uint8_t *record,
                               xst_error *err)
{
    const char *const hint = "the file is damaged or not CIFAR-100's binary version";
    const int coarse = record[0], fine = record[1];
    if (coarse >= XST_SUPERCLASSES)
        return xst_fail(err, XST_ERROR_DATA, "'%s': record %u: coarse label %d is not in 0..%d: %s", part->path, index,
                        coarse, XST_SUPERCLASSES - 1, hint);
    if (fine >= XST_CLASSES_MAX)
        return xst_fail(err, XST_ERROR_DATA, "'%s': record %u: fine label %d is not in 0..%d: %s", part->path, index,
                        fine, XST_CLASSES_MAX - 1, hint);
    if (coarse != labels->coarse_of[fine])
        return xst_fail(err, XST_ERROR_DATA,
                        "'%s': record %u: fine label %d (%s) belongs to coarse label %d (%s), not to %d: %s",
                        part->path, index, fine, labels->fine[fine], labels->coarse_of[fine],
                        labels->coarse[labels->coarse_of[fine]], coarse, hint);
    return XST_OK;
}

/* Reads the file once, a few megabytes at a time, and keeps the fine labels. */
static xst_status scan_part(part_labels *part, const xst_labels *labels, xst_error *err)
{
    void *fine = NULL, *chunk = NULL;
    xst_status status = xst_alloc(&fine, part->count, 1, "labels", err);
    part->fine = fine;
    if (status == XST_OK)
        status = xst_alloc(&chunk, SCAN_RECORDS, XST_RECORD_BYTES, "records", err);
    for (uint32_t first = 0; status == XST_OK && first < part->count; first += SCAN_RECORDS) {
        const uint32_t left = part->count - first, n = left < SCAN_RECORDS ? left : SCAN_RECORDS;
        status = read_at(part, chunk, (size_t)n * XST_RECORD_BYTES, (off_t)first * XST_RECORD_BYTES, err);
        for (uint32_t i = 0; status == XST_OK && i < n; i++) {
            const uint8_t *const record = (const uint8_t *)chunk + (size_t)i * XST_RECORD_BYTES;
            status = check_record(part, labels, first + i, record, err);
            if (status == XST_OK) {
                part->fine[first + i] = record[1];
                part->of_class[record[1]]++;
            }
        }
    }
    xst_free(chunk);
    return status;
}

xst_status xst_cifar_open(const char *folder, const xst_labels *labels, xst_cifar **out, xst_error *err)
{
    void *memory = NULL;
    *out = NULL;
    if (!xst_path_is_folder(folder))
        return xst_fail(err, XST_ERROR_DATA,
                        "data '%.400s': no such folder: give one with train.bin and test.bin of CIFAR-100's binary "
                        "version (scripts/get_cifar100.sh DIR fetches them), or 'synthetic'",
                        folder);
    xst_status status = xst_alloc(&memory, 1, sizeof(xst_cifar), "data set", err);
    if (status != XST_OK)
        return status;
    xst_cifar *const cifar = memory;
    for (int i = 0; i < XST_PARTS; i++)
        cifar->part[i].fd = -1;
    status = xst_path(cifar->folder, err, "%s", folder);
    for (int i = 0; status == XST_OK && i < XST_PARTS; i++)
        status = open_part(&cifar->part[i], folder, part_file[i], err);
    for (int i = 0; status == XST_OK && i < XST_PARTS; i++)
        status = scan_part(&cifar->part[i], labels, err);
    if (status != XST_OK) {
        xst_cifar_close(cifar);
        return status;
    }
    *out = cifar;
    return XST_OK;
}

void xst_cifar_close(xst_cifar *cifar)
{
    if (!cifar)
        return;
    for (int i = 0; i < XST_PARTS; i++) {
        if (cifar->part[i].fd >= 0)
            close(cifar->part[i].fd);
        xst_free(cifar->part[i].fine);
    }
    xst_free(cifar);
}

const char *xst_cifar_folder(const xst_cifar *cifar)
{
    return cifar->folder;
}

uint32_t xst_cifar_count(const xst_cifar *cifar, xst_part part, int fine)
{
    return cifar->part[part].of_class[fine];
}

/* The file may have changed since it was opened; its labels must still be those that were checked. */
static xst_status check_unchanged(const part_labels *part, uint32_t first, uint32_t n, const uint8_t *bytes,
                                  xst_error *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (bytes[(size_t)i * XST_RECORD_BYTES + 1] != part->fine[first + i])
            return xst_fail(err, XST_ERROR_DATA, "'%s': record %u changed while the program was running", part->path,
                            first + i);
    return XST_OK;
}

xst_status xst_cifar_read(const xst_cifar *cifar, xst_part part, const xst_class_set *classes, xst_records *out,
                          xst_error *err)
{
    const part_labels *const file = &cifar->part[part];
    void *memory = NULL;
    uint32_t total = 0, done = 0;
    *out = (xst_records){0};
    for (int c = 0; c < XST_CLASSES_MAX; c++)
        total += classes->has[c] ? file->of_class[c] : 0;
    xst_status status = xst_alloc(&memory, total, XST_RECORD_BYTES, "images", err);
    uint8_t *const bytes = memory;
    for (uint32_t i = 0; status == XST_OK && i < file->count;) {
        uint32_t run = 0;
        while (i + run < file->count && classes->has[file->fine[i + run]])
            run++;
        if (run > 0) {
            uint8_t *const to = bytes + (size_t)done * XST_RECORD_BYTES;
            status = read_at(file, to, (size_t)run * XST_RECORD_BYTES, (off_t)i * XST_RECORD_BYTES, err);
            if (status == XST_OK)
                status = check_unchanged(file, i, run, to, err);
        }
        done += run;
        i += run + 1;
    }
    if (status != XST_OK) {
        xst_free(bytes);
        return status;
    }
    *out = (xst_records){total, bytes};
    return XST_OK;
}
