/* SPDX-License-Identifier: MIT */
/*
 * core/engine/schema.h - the shapes of API objects: what may be in them, of which type, in which order
 *
 * An object of the API is kept sparse: members that are absent, null or equal to what Docker
 * shows for an absent one are not stored.  schema_pack() makes the sparse form of what a client
 * sent, schema_expand() the complete form that `inspect` shows.  So 66 members of a HostConfig
 * cost memory only where somebody set them, and readers use json_int(host, "Memory", 0).
 */
#ifndef ENGINE_SCHEMA_H
#define ENGINE_SCHEMA_H

#include "base/err.h"
#include "base/json.h"

enum type {
	T_STR,	   /* string */
	T_BOOL,	   /* bool */
	T_INT,	   /* int64 */
	T_UINT16,  /* uint16, as BlkioWeight */
	T_STRS,	   /* []string */
	T_STRV,	   /* []string, but a string is taken as one element (Cmd, Entrypoint) */
	T_MAP,	   /* map[string]string */
	T_SET,	   /* map[string]struct{} */
	T_OBJ,	   /* struct, described by sub */
	T_OBJS,	   /* []struct */
	T_OBJMAP,  /* map[string][]struct (PortBindings) */
	T_SUBMAP,  /* map[string]struct described by sub (EndpointsConfig) */
	T_SIZE2,   /* [2]uint (ConsoleSize) */
	T_STRSS,   /* [][]string (DeviceRequests' Capabilities) */
};

enum {
	F_OMIT = 1, /* left out when empty, as Go's omitempty; what is not there stays away */
	F_PTR = 2,  /* a pointer in Go: null when absent, kept even where it is zero */
	F_INT = 4,  /* an int in Go, which error messages say; of 64 bits all the same */
};

struct field {
	const char *name;
	enum type type;
	int flags;
	const struct field *sub; /* ends in an entry with a NULL name */
	const char *go;	/* Go's name of the type, where it has one of its own; for messages */
};

extern const struct field schema_config[], schema_host[], schema_networking[], schema_endpoint[],
	schema_create[], schema_exec[], schema_exec_start[], schema_volume_create[],
	schema_network_create[], schema_network_connect[];

/**
 * schema_pack() - Make the sparse form of an object a client sent
 * @in:		Any JSON value; keys are matched without regard to case, unknown ones ignored
 * @what:	Go's name of the type, for the message when @in is no object at all
 *
 * Nothing of @in is changed; strings and lists are shared with it.
 *
 * Return: a new reference, or NULL with @e (ERR_INVALID), in the words of Go's decoder
 */
json_t *schema_pack(const struct field *fields, const json_t *in, const char *what, struct err *e);

/* The complete form, members in the order of the API; new reference. */
json_t *schema_expand(const struct field *fields, const json_t *sparse);

/* The text of it, compact, without making it; for lists. */
void schema_print(const struct field *fields, const json_t *sparse, struct buf *out);

/* A copy of an object with its keys sorted, as Go writes maps; values are shared. */
json_t *json_sorted(const json_t *obj);

#endif
