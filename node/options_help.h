/* options_help.h - what promp-node --help says. */
#ifndef PROMP_NODE_OPTIONS_HELP_H
#define PROMP_NODE_OPTIONS_HELP_H

extern const char promp_options_help[];

#endif
