/* mutant.h - deliberate faults that the simulator must find (tests/sim). Outside those builds PROMP_MUTANT()
 * is 0. */
#ifndef PROMP_BASE_MUTANT_H
#define PROMP_BASE_MUTANT_H

#ifdef PROMP_MUTATION
#define PROMP_MUTANT(number) (PROMP_MUTATION == (number))
#else
#define PROMP_MUTANT(number) 0
#endif

#endif
