/* Tables for a screen: aligned columns, long words in several lines, wide tables in several pieces. */
#include "report/sheet.h"

#include <stdint.h>
#include <string.h>

enum { WORDS_MAX = 44, GAP = 2, COLUMNS_MAX = 256 };

/* How wide bytes of UTF-8 are: one place for each character. */
static size_t places(const char *bytes, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return n;
}

/* Bytes of the first line of `words` when lines have `width` places: up to the last blank that fits, or as much as
 * fits. */
static size_t first_line(const char *words, size_t width)
{
    size_t end = 0, blank = 0, used = 0;
    for (; words[end]; end++) {
        used += ((unsigned char)words[end] & 0xc0) != 0x80;
        if (words[end] == ' ' && used <= width + 1)
            blank = end;
        if (used > width)
            return blank > 0 ? blank : end > 0 ? end : 1;
    }
    return end;
}

/* Moves past the first line. */
static const char *next_line(const char *words, size_t width)
{
    words += first_line(words, width);
    return words + strspn(words, " ");
}

static size_t lines_of(const char *words, size_t width)
{
    size_t n = 1;
    while (*(words = next_line(words, width)))
        n++;
    return n;
}

static const char *line_at(const char *words, size_t width, size_t line)
{
    while (line-- > 0 && *words)
        words = next_line(words, width);
    return words;
}

static void add_blanks(size_t n, xst_text *text)
{
    xst_text_add(text, "%*s", (int)n, "");
}

/* One line of a cell, padded to the column. Trailing blanks stay; end_line takes them away. */
static void add_line(const char *words, size_t width, size_t line, bool right, xst_text *text)
{
    const char *const start = line_at(words, width, line);
    const size_t size = first_line(start, width), used = places(start, size);
    if (right)
        add_blanks(width - used, text);
    xst_text_add_bytes(text, start, size);
    if (!right)
        add_blanks(width - used, text);
}

static void end_line(xst_text *text)
{
    while (!text->failed && text->size > 0 && text->bytes[text->size - 1] == ' ')
        text->bytes[--text->size] = 0;
    xst_text_add(text, "\n");
}

static size_t longest_word(const char *words)
{
    size_t longest = 0;
    while (*words) {
        const size_t n = strcspn(words, " "), p = places(words, n);
        longest = p > longest ? p : longest;
        words += n + strspn(words + n, " ");
    }
    return longest;
}

/* A heading takes at most three lines if its words allow. */
static size_t column_width(const xst_sheet *table, size_t column)
{
    const char *const heading = table->columns[column].heading;
    const size_t third = (places(heading, strlen(heading)) + 2) / 3, word = longest_word(heading);
    size_t width = 1;
    for (size_t r = 0; r < xst_sheet_rows(table); r++) {
        xst_text cell = {0};
        xst_sheet_show(table, r, column, &cell);
        const size_t n = places(xst_text_string(&cell), cell.size);
        width = n > width ? n : width;
        xst_text_free(&cell);
    }
    width = width > WORDS_MAX ? WORDS_MAX : width;
    width = width < third ? third : width;
    return width < word ? (word > WORDS_MAX ? WORDS_MAX : word) : width;
}

/* A piece of a table: its columns and their widths. */
typedef struct piece {
    size_t count, column[COLUMNS_MAX], width[COLUMNS_MAX];
} piece;

/* One row (or the headings, row < 0) of a piece. */
static void add_row(const xst_sheet *table, const piece *p, int64_t row, xst_text *text)
{
    xst_text words[COLUMNS_MAX] = {0};
    size_t height = 1;
    for (size_t i = 0; i < p->count; i++) {
        if (row < 0)
            xst_text_add(&words[i], "%s", table->columns[p->column[i]].heading);
        else
            xst_sheet_show(table, (size_t)row, p->column[i], &words[i]);
        text->failed = text->failed || words[i].failed;
        const size_t n = lines_of(xst_text_string(&words[i]), p->width[i]);
        height = n > height ? n : height;
    }
    for (size_t line = 0; line < height; line++) {
        for (size_t i = 0; i < p->count; i++) {
            add_blanks(i > 0 ? GAP : 0, text);
            add_line(xst_text_string(&words[i]), p->width[i], line,
                     table->columns[p->column[i]].format != XST_CELL_TEXT, text);
        }
        end_line(text);
    }
    for (size_t i = 0; i < p->count; i++)
        xst_text_free(&words[i]);
}

static void add_piece(const xst_sheet *table, const piece *p, xst_text *text)
{
    add_row(table, p, -1, text);
    for (size_t i = 0; i < p->count; i++) {
        add_blanks(i > 0 ? GAP : 0, text);
        for (size_t k = 0; k < p->width[i]; k++)
            xst_text_add(text, "-");
    }
    xst_text_add(text, "\n");
    for (size_t r = 0; r < xst_sheet_rows(table); r++)
        add_row(table, p, (int64_t)r, text);
}

/* The key columns, then as many from *next on as fit; at least one. */
static piece cut_piece(const xst_sheet *table, size_t *next, size_t width)
{
    piece p = {0};
    size_t used = 0;
    const size_t keys = (size_t)table->keys, columns = table->column_count;
    for (size_t c = 0; c < keys && c < columns && p.count < COLUMNS_MAX; c++) {
        p.column[p.count] = c;
        used += p.width[p.count++] = column_width(table, c);
        used += GAP;
    }
    *next = *next < keys ? keys : *next;
    for (const size_t first = *next; *next < columns && p.count < COLUMNS_MAX; ++*next) {
        const size_t wide = column_width(table, *next);
        if (*next > first && used + wide > width)
            break;
        p.column[p.count] = *next;
        p.width[p.count++] = wide;
        used += wide + GAP;
    }
    return p;
}

static void add_note(const char *note, size_t width, xst_text *text)
{
    const char *const rest = note;
    for (size_t line = 0; *line_at(rest, width - 2, line); line++) {
        const char *const start = line_at(rest, width - 2, line);
        xst_text_add(text, "%s", line > 0 ? "    " : "  ");
        xst_text_add_bytes(text, start, first_line(start, width - 2));
        xst_text_add(text, "\n");
    }
}

void xst_sheet_write_text(const xst_sheet *table, int width, xst_text *text)
{
    const size_t wide = width < 40 ? 40 : (size_t)width;
    size_t next = 0;
    xst_text_add(text, "%s\n\n", table->title);
    if (table->detail && xst_sheet_rows(table) > XST_DETAIL_ROWS) {
        xst_text_add(text, "  %zu rows: see %s.csv of --out, or --json\n\n", xst_sheet_rows(table), table->id);
        return;
    }
    do {
        if (next > 0)
            xst_text_add(text, "\n");
        const piece p = cut_piece(table, &next, wide);
        add_piece(table, &p, text);
    } while (next < table->column_count);
    xst_text_add(text, "%s", table->note_count > 0 ? "\n" : "");
    for (size_t i = 0; i < table->note_count; i++)
        add_note(xst_sheet_note_at(table, i), wide - 2, text);
    xst_text_add(text, "\n");
}
