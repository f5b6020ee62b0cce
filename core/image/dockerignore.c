/* SPDX-License-Identifier: MIT */
/*
 * core/image/dockerignore.c - what a .dockerignore leaves out of a build's context
 *
 * Theory of operation
 *   A pattern a line, the last that matches a path or one of its parents decides, "!" makes it an
 *   exception.  Docker turns each pattern into a regular expression by rules of its own, and these are
 *   kept with their corners: "?" and "*" stop at slashes but a class does not, "**" in front of plain
 *   text matches any ending ("**foo" matches "a/xfoo"), but in front of a wildcard only whole
 *   directories.
 *
 *   A pattern is a row of tokens, matched by following all ways through it at once: the time is that of
 *   tokens times characters, whatever the pattern.
 */
#include "image/dockerignore.h"
#include "base/fs.h"

#include <stdlib.h>

#define TOKENS_MAX 4096 /* of a pattern */

enum token_type {
	TOKEN_CHAR,  /* this one */
	TOKEN_ANY,   /* one, no slash */
	TOKEN_CLASS, /* one of a class */
	TOKEN_STAR,  /* none or more, no slash */
	TOKEN_ALL,   /* none or more */
	TOKEN_DIRS,  /* nothing, or what the TOKEN_INTO behind it takes */
	TOKEN_INTO,  /* anything that ends in a slash */
};

struct token {
	enum token_type type;
	uint32_t c;
	struct span class; /* what is between the brackets */
};

enum pattern_type { PATTERN_EXACT, PATTERN_PREFIX, PATTERN_SUFFIX, PATTERN_TOKENS };

struct pattern {
	char *text; /* clean, without "!" */
	bool exception;
	enum pattern_type type;
	struct token *tokens;
	size_t n;
};

/* A directory above the path of a walk, and which patterns matched it. */
struct level {
	char *path;
	bool *matched;
};

struct ignore {
	struct pattern *patterns;
	size_t n;
	struct level *levels;
	size_t depth, cap;
};

/* --- characters --------------------------------------------------------------------------------- */

/* The next one off *s: its bytes as a number, which is all that is compared.  What is no UTF-8 counts
 * byte by byte. */
static uint32_t next_char(struct span *s)
{
	unsigned char first = (unsigned char)*s->p;
	size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1, i;
	uint32_t c = first;

	for (i = 1; i < n && i < s->n && ((unsigned char)s->p[i] & 0xc0) == 0x80; i++)
		c = c << 8 | (unsigned char)s->p[i];
	if (i < n) {
		c = first;
		n = 1;
	}
	s->p += n;
	s->n -= n;
	return c;
}

/* One end of a range in a class: 0, or -1 if there is none. */
static int class_char(struct span *s, uint32_t *c)
{
	if (!s->n || *s->p == '-' || *s->p == ']')
		return -1;
	if (*s->p == '\\') {
		s->p++;
		s->n--;
		if (!s->n)
			return -1;
	}
	*c = next_char(s);
	return 0;
}

static bool class_has(struct span s, uint32_t c)
{
	bool negated = span_starts(s, "^"), found = false;
	uint32_t low, high;

	if (negated) {
		s.p++;
		s.n--;
	}
	while (s.n && !class_char(&s, &low)) {
		high = low;
		if (s.n && *s.p == '-') {
			s.p++;
			s.n--;
			if (class_char(&s, &high))
				break;
		}
		found |= c >= low && c <= high;
	}
	return found != negated;
}

/* --- patterns ------------------------------------------------------------------------------------- */

static void add_token(struct pattern *p, enum token_type type, uint32_t c)
{
	if (!(p->n & (p->n - 1)))
		p->tokens = xreallocarray(p->tokens, p->n ? p->n * 2 : 1, sizeof(*p->tokens));
	p->tokens[p->n++] = (struct token){.type = type, .c = c};
}

/* Behind "[": up to "]". 0, or -1 if it is no class. */
static int add_class(struct pattern *p, struct span *s)
{
	const char *begin = s->p;
	uint32_t low, high;
	bool any = false;

	if (s->n && *s->p == '^') {
		s->p++;
		s->n--;
	}
	while (s->n && !(*s->p == ']' && any)) {
		if (class_char(s, &low))
			return -1;
		any = true;
		if (!s->n || *s->p != '-')
			continue;
		s->p++;
		s->n--;
		if (class_char(s, &high) || high < low)
			return -1;
	}
	if (!s->n)
		return -1;
	add_token(p, TOKEN_CLASS, 0);
	p->tokens[p->n - 1].class = (struct span){begin, (size_t)(s->p - begin)};
	s->p++;
	s->n--;
	return 0;
}

/* Behind "**"; @first: nothing is before it. */
static void add_stars(struct pattern *p, struct span *s, bool first)
{
	if (s->n && *s->p == '/') {
		s->p++;
		s->n--;
	}
	if (s->n) {
		add_token(p, TOKEN_DIRS, 0);
		add_token(p, TOKEN_INTO, 0);
		p->type = PATTERN_TOKENS;
	} else if (p->type == PATTERN_EXACT) {
		p->type = PATTERN_PREFIX;
	} else {
		add_token(p, TOKEN_ALL, 0);
		p->type = PATTERN_TOKENS;
	}
	if (first)
		p->type = PATTERN_SUFFIX;
}

static int compile(struct pattern *p)
{
	struct span s = span_of(p->text);
	bool first = true;

	for (; s.n; first = false) {
		uint32_t c = next_char(&s);

		if (p->n >= TOKENS_MAX)
			return -1;
		if (c == '*' && s.n && *s.p == '*') {
			s.p++;
			s.n--;
			add_stars(p, &s, first);
			continue;
		}
		if (c == '\\') {
			if (!s.n)
				return -1;
			add_token(p, TOKEN_CHAR, next_char(&s));
		} else if (c == '*') {
			add_token(p, TOKEN_STAR, 0);
		} else if (c == '?') {
			add_token(p, TOKEN_ANY, 0);
		} else if (c == '[') {
			if (add_class(p, &s))
				return -1;
		} else {
			add_token(p, TOKEN_CHAR, c);
			if (c != ']')
				continue;
		}
		p->type = PATTERN_TOKENS;
	}
	return 0;
}

int ignore_add(struct ignore *g, const char *text, struct err *e)
{
	struct pattern p = {.exception = *text == '!'};

	if (p.exception && !text[1])
		return err_kind(e, ERR_INVALID, "illegal exclusion pattern: \"!\"");
	p.text = xstrdup(text + p.exception);
	if (compile(&p)) {
		free(p.text);
		free(p.tokens);
		return err_kind(e, ERR_INVALID, "syntax error in pattern");
	}
	g->patterns = xreallocarray(g->patterns, g->n + 1, sizeof(*g->patterns));
	g->patterns[g->n++] = p;
	return 0;
}

/* A line as a pattern: clean, relative; to free(). NULL: it has none. */
static char *line_pattern(struct span line)
{
	cleanup_free char *text = NULL, *cleaned = NULL;
	bool exception;

	if (span_starts(line, "#"))
		return NULL;
	while (line.n && strchr(" \t\r\v\f", line.p[line.n - 1]))
		line.n--;
	while (line.n && strchr(" \t\r\v\f", *line.p)) {
		line.p++;
		line.n--;
	}
	if (!line.n || memchr(line.p, 0, line.n))
		return NULL;
	exception = *line.p == '!';
	line.p += exception;
	line.n -= exception;
	text = span_dup(span_trim(line));
	if (*text) {
		cleaned = fs_clean_path(text);
		if (*cleaned == '/' && cleaned[1])
			memmove(cleaned, cleaned + 1, strlen(cleaned));
	}
	return xasprintf("%s%s", exception ? "!" : "", cleaned ? cleaned : "");
}

struct ignore *ignore_parse(struct span text, struct err *e)
{
	struct ignore *g = xcalloc(1, sizeof(*g));
	struct span line;

	if (span_starts(text, "\xef\xbb\xbf")) {
		text.p += 3;
		text.n -= 3;
	}
	while (span_token(&text, '\n', &line)) {
		cleanup_free char *pattern = line_pattern(line);

		if (pattern && ignore_add(g, pattern, e)) {
			ignore_free(g);
			return NULL;
		}
	}
	return g;
}

static void leave_level(struct ignore *g)
{
	struct level *l = &g->levels[--g->depth];

	free(l->path);
	free(l->matched);
}

void ignore_free(struct ignore *g)
{
	size_t i;

	if (!g)
		return;
	while (g->depth)
		leave_level(g);
	for (i = 0; i < g->n; i++) {
		free(g->patterns[i].text);
		free(g->patterns[i].tokens);
	}
	free(g->levels);
	free(g->patterns);
	free(g);
}

/* --- matching ------------------------------------------------------------------------------------- */

/* The state before token @i is reached, and those that follow from it without a character. */
static void reach(const struct pattern *p, bool *at, size_t i)
{
	while (!at[i]) {
		at[i] = true;
		if (i == p->n)
			return;
		if (p->tokens[i].type == TOKEN_DIRS)
			reach(p, at, i + 1);
		else if (p->tokens[i].type != TOKEN_STAR && p->tokens[i].type != TOKEN_ALL)
			return;
		i += p->tokens[i].type == TOKEN_DIRS ? 2 : 1;
	}
}

/* From before token @i, what does @c lead to? */
static void step(const struct pattern *p, size_t i, uint32_t c, bool *to)
{
	const struct token *t = &p->tokens[i];

	switch (t->type) {
	case TOKEN_CHAR:
		if (c == t->c)
			reach(p, to, i + 1);
		break;
	case TOKEN_ANY:
		if (c != '/')
			reach(p, to, i + 1);
		break;
	case TOKEN_CLASS:
		if (class_has(t->class, c))
			reach(p, to, i + 1);
		break;
	case TOKEN_STAR:
		if (c != '/')
			reach(p, to, i);
		break;
	case TOKEN_ALL:
		reach(p, to, i);
		break;
	case TOKEN_DIRS:
		break;
	case TOKEN_INTO:
		reach(p, to, i);
		if (c == '/')
			reach(p, to, i + 1);
		break;
	}
}

static bool match_tokens(const struct pattern *p, struct span path)
{
	bool *at = xcalloc(2 * (p->n + 1), sizeof(bool)), *to = at + p->n + 1, *swap, *both = at, yes;
	size_t i;

	reach(p, at, 0);
	while (path.n) {
		uint32_t c = next_char(&path);

		memset(to, 0, p->n + 1);
		for (i = 0; i < p->n; i++)
			if (at[i])
				step(p, i, c, to);
		swap = at;
		at = to;
		to = swap;
	}
	yes = at[p->n];
	free(both);
	return yes;
}

static bool match(const struct pattern *p, struct span path)
{
	size_t n = strlen(p->text);

	switch (p->type) {
	case PATTERN_EXACT:
		return span_eqs(path, p->text);
	case PATTERN_PREFIX: /* "a/" + "**" */
		n -= 2;
		return path.n >= n && !memcmp(path.p, p->text, n);
	case PATTERN_SUFFIX:
		n -= 2;
		if (path.n >= n && !memcmp(path.p + path.n - n, p->text + 2, n))
			return true;
		return n && p->text[2] == '/' && span_eqs(path, p->text + 3);
	case PATTERN_TOKENS:
		break;
	}
	return match_tokens(p, path);
}

/* Does it match @path, or (@parents) a directory above it? */
static bool match_any(const struct pattern *p, const char *path, bool parents)
{
	const char *slash = path;

	if (match(p, span_of(path)))
		return true;
	while (parents && (slash = strchr(slash, '/'))) {
		if (match(p, (struct span){path, (size_t)(slash - path)}))
			return true;
		slash++;
	}
	return false;
}

/* @above: which patterns matched the directory it is in; NULL: none was looked at. @own: likewise for
 * @path itself; may be NULL. */
static bool judge(const struct ignore *g, const char *path, const bool *above, bool *own)
{
	bool ignored = false, is;
	size_t i;

	for (i = 0; i < g->n; i++) {
		const struct pattern *p = &g->patterns[i];

		is = (above && above[i]) || (p->exception == ignored && match_any(p, path, !above));
		if (own)
			own[i] = is;
		if (is)
			ignored = !p->exception;
	}
	return ignored;
}

bool ignore_matches(const struct ignore *g, const char *path)
{
	return judge(g, path, NULL, NULL);
}

bool ignore_walk(struct ignore *g, const char *path, bool is_dir)
{
	const bool *above = NULL;
	bool *own, ignored;

	while (g->depth) {
		const struct level *l = &g->levels[g->depth - 1];
		size_t n = strlen(l->path);

		if (!strncmp(path, l->path, n) && path[n] == '/') {
			above = l->matched;
			break;
		}
		leave_level(g);
	}
	own = xcalloc(g->n + 1, sizeof(*own));
	ignored = judge(g, path, above, own);
	if (!is_dir) {
		free(own);
		return ignored;
	}
	if (g->depth == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 16;
		g->levels = xreallocarray(g->levels, g->cap, sizeof(*g->levels));
	}
	g->levels[g->depth++] = (struct level){xstrdup(path), own};
	return ignored;
}

bool ignore_reaches_into(const struct ignore *g, const char *dir)
{
	size_t n = strlen(dir), i;

	for (i = 0; i < g->n; i++) {
		const char *text = g->patterns[i].text;

		if (g->patterns[i].exception && !strncmp(text, dir, n) && (text[n] == '/' || !text[n]))
			return true;
	}
	return false;
}
