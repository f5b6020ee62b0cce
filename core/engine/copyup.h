/* SPDX-License-Identifier: MIT */
/*
 * core/engine/copyup.h - role ":copy-up": fill new volumes from an image
 */
#ifndef ENGINE_COPYUP_H
#define ENGINE_COPYUP_H

/* Descriptor 3: a socket; the request is read from it, a struct err is written to it at the end. */
int copyup_role_main(int argc, char **argv);

#endif
