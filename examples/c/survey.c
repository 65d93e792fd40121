/* survey - hashes and classifies the files of folders with a crew of native workers (survey-worker), and
 * reports what there is: kinds, sizes, files with the same content, and what could not be examined. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "survey_crew.h"

#define MOST_WORKERS 256
#define EXIT_USAGE   2
#define EXIT_FAILED  3

static volatile sig_atomic_t stop; /* number of the signal that ended it */

static void on_signal(int number)
{
    stop = number;
}

static const char help[] =
    "usage: survey [options] [FOLDER ...]\n"
    "Examines all files below the folders (default: /usr/lib) with worker processes and\n"
    "reports kinds, sizes, files with the same content, and what could not be read.\n"
    "Symbolic links are not followed; hard links do not count as files with the same content.\n"
    "\n"
    "  -w, --workers N    worker processes (default: one for each processor)\n"
    "  -p, --patience S   seconds after which a file that gets nowhere is given up (default: 60)\n"
    "  -j, --json         the report as JSON\n"
    "  -q, --quiet        no progress on standard error\n"
    "  -h, --help         this text\n"
    "      --version      the version of libpromp\n"
    "\n"
    "Example: survey --workers 4 --json /usr/lib /usr/share > report.json\n"
    "Exit code: 0 report complete, 2 wrong usage or a FOLDER that cannot be read,\n"
    "3 it could not be made, 130 interrupted. What cannot be read below is told in the report.\n";

typedef struct {
    unsigned workers;
    int patience;
    bool json, quiet;
} options_t;

static unsigned processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1 ? 1 : count > MOST_WORKERS ? MOST_WORKERS : (unsigned)count;
}

/* A number of low..high; else says so and ends. */
static int number_of(const char *text, const char *name, int low, int high)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (*text && !*end && !errno && value >= low && value <= high)
        return (int)value;
    fprintf(stderr, "survey: --%s wants a number from %d to %d, not \"%s\"\n", name, low, high, text);
    exit(EXIT_USAGE);
}

static void read_options(int argc, char **argv, options_t *options)
{
    static const struct option known[] = {{"workers", required_argument, NULL, 'w'},
                                          {"patience", required_argument, NULL, 'p'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    *options = (options_t){.workers = processors(), .patience = 60};
    for (int c; (c = getopt_long(argc, argv, "w:p:jqh", known, NULL)) != -1;) {
        switch (c) {
        case 'w':
            options->workers = (unsigned)number_of(optarg, "workers", 1, MOST_WORKERS);
            break;
        case 'p':
            options->patience = number_of(optarg, "patience", 1, 86400);
            break;
        case 'j':
            options->json = true;
            break;
        case 'q':
            options->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        case 'v':
            printf("survey of promp %s\n", promp_version());
            exit(0);
        default:
            fputs("Try: survey --help\n", stderr);
            exit(EXIT_USAGE);
        }
    }
}

/* survey-worker lies beside this program. */
static void worker_program(char path[PATH_MAX])
{
    static const char name[] = "survey-worker";
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - sizeof name);
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, name);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waiting shall end */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static double seconds_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The exit code. */
static int survey(char *const *folders, const options_t *options)
{
    char program[PATH_MAX];
    promp_error_t error = {0};
    double begin = seconds_now();
    int code = EXIT_FAILED;
    survey_walk_t *walk = survey_walk_open(folders);
    survey_report_t *report = survey_report_new();
    survey_screen_t *screen = survey_screen_new(options->quiet);
    if (!walk || !report || !screen) {
        fprintf(stderr, "survey: %s\n", strerror(errno));
        goto out;
    }
    worker_program(program);
    const survey_crew_config_t config = {.program = program,
                                         .workers = options->workers,
                                         .patience = options->patience,
                                         .walk = walk,
                                         .report = report,
                                         .screen = screen,
                                         .stop = &stop};
    promp_err_t err = survey_crew_run(&config, &error);
    survey_screen_free(&screen);
    double seconds = seconds_now() - begin;
    if (err == PROMP_ERR_STATE) {
        fprintf(stderr, "survey: interrupted after %llu files\n",
                (unsigned long long)survey_report_files(report));
        code = 128 + stop;
    } else if (err) {
        fprintf(stderr, "survey: %s (error %d)\n", error.text, (int)error.code);
    } else {
        (options->json ? survey_report_print_json : survey_report_print)(report, stdout, seconds,
                                                                         options->workers);
        code = fflush(stdout) || ferror(stdout) ? EXIT_FAILED : 0;
        if (code)
            fprintf(stderr, "survey: the report could not be written: %s\n", strerror(errno));
    }
out:
    survey_screen_free(&screen);
    survey_report_free(&report);
    survey_walk_close(&walk);
    return code;
}

/* Says so where not; what cannot be read below is for the report. */
static bool readable(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir)
        closedir(dir);
    else
        fprintf(stderr, "survey: %s: %s\n", folder, strerror(errno));
    return dir;
}

int main(int argc, char **argv)
{
    static char *const standard[] = {"/usr/lib", NULL};
    options_t options;
    read_options(argc, argv, &options);
    char *const *folders = optind < argc ? argv + optind : standard;
    for (size_t i = 0; folders[i]; i++)
        if (!readable(folders[i]))
            return EXIT_USAGE;
    catch_signals();
    return survey(folders, &options);
}
