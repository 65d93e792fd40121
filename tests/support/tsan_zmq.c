/* tsan_zmq.c - linked into tests that use libzmq: it is not built with ThreadSanitizer, which therefore does not see how it
 * synchronises, and takes its memory for shared without care. What our own code does is still watched. */
#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so\ncalled_from_lib:libstdc++.so\n";
}
#else
typedef int promp_nothing_to_do;
#endif
