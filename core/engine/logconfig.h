/* SPDX-License-Identifier: MIT */
/*
 * core/engine/logconfig.h - log drivers and their options: checked, and made a request to the monitor
 */
#ifndef ENGINE_LOGCONFIG_H
#define ENGINE_LOGCONFIG_H

#include "engine/container.h"

/* At create: is the driver known, and are its options?  Values are looked at at the start. */
int logconfig_check(const char *driver, const json_t *options, struct err *e);
/* The file of json-file, local, or of a driver's cache, with its limits (logfile_open()) but without its
 * path and attributes; JSON null: none.  NULL with @e. */
json_t *logconfig_file(const char *driver, const json_t *options, struct err *e);
/* Fill in a log tag: "{{.Name}}/{{.ID}}".  To free(), or NULL with @e. */
char *logconfig_tag(const char *text, const json_t *fields, struct err *e);
/* "log" of the request to start @c (runtime.h). NULL with @e. */
json_t *logconfig_request(struct engine *en, struct container *c, const json_t *host, struct err *e);

#endif
