/* What a program in C does. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* Runs an engine on a disk that does not exist; returns what it said. */
int create_engine_from_c(void);

#ifdef __cplusplus
}
#endif
