/* mutant.h - deliberate faults that the simulator must find (tests/sim). Only in a build with PROMP_MUTATIONS, in which
 * `promp_mutation` chooses one; everywhere else PROMP_MUTANT() is 0. */
#ifndef PROMP_BASE_MUTANT_H
#define PROMP_BASE_MUTANT_H

#ifdef PROMP_MUTATIONS
extern int promp_mutation;
#define PROMP_MUTANT(number) (promp_mutation == (number))
#else
#define PROMP_MUTANT(number) 0
#endif

#endif
