#include "survey_crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "survey_batch.h"

#define AHEAD     2   /* batches of one worker */
#define WAIT_MS   100 /* between two looks at the screen and at who hangs */
#define ABORT_MS  1000
#define TRIES     2                  /* for a single file */
#define SLOWEST   (10 * 1024 * 1024) /* bytes per second that a disk is given */
#define BAD_START 3                  /* workers in a row that end before they are ready: it is no use */

typedef struct {
    uint32_t id; /* PROMP_WORKER_INVALID: none */
    bool ready;
    bool aborted; /* the running batch was given up */
    batch_t *batch[AHEAD];
    size_t batches;
    int percent;
    int64_t moved; /* when it last got on */
    uint64_t files;
} member_t;

typedef struct {
    const survey_crew_config_t *config;
    promp_manager_t *manager;
    member_t *member;
    survey_line_t *line;
    batch_t *again; /* to be tried once more, before new ones */
    bool no_more;   /* the walk is at its end */
    unsigned bad_starts;
    promp_err_t err;
    promp_error_t *error;
} crew_t;

static int64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * (int64_t)1000 + time.tv_nsec / 1000000;
}

static void fail(crew_t *crew, const promp_error_t *error)
{
    if (crew->err)
        return;
    *crew->error = *error;
    crew->err = error->code;
}

/* --- batches --- */

static void put_again(crew_t *crew, batch_t *batch)
{
    batch->next = crew->again;
    crew->again = batch;
}

static batch_t *next_batch(crew_t *crew)
{
    batch_t *batch = crew->again;
    if (batch) {
        crew->again = batch->next;
        return batch;
    }
    if (!crew->no_more)
        batch = batch_fill(crew->config->walk, crew->config->report);
    crew->no_more = !batch;
    return batch;
}

/* A worker died over it or hung: its files one by one; one file alone is tried again and then told. */
static void suspect(crew_t *crew, batch_t *batch, const char *why)
{
    if (batch->count == 1 && ++batch->tries >= TRIES) {
        survey_report_fail(crew->config->report, batch->file[0].path, why);
        batch_free(&batch);
        return;
    }
    while (batch->count > 1) {
        batch_t *one = batch_split(batch);
        if (!one)
            break;
        put_again(crew, one);
    }
    put_again(crew, batch);
}

static member_t *member_of(crew_t *crew, uint32_t id)
{
    for (unsigned i = 0; i < crew->config->workers; i++)
        if (crew->member[i].id == id)
            return &crew->member[i];
    return NULL;
}

/* Takes the batch of a task out of its worker's. NULL: it has been dealt with. */
static batch_t *take_batch(member_t *member, uint64_t task)
{
    for (size_t i = 0; member && i < member->batches; i++) {
        batch_t *batch = member->batch[i];
        if (batch->task != task)
            continue;
        member->batches--;
        for (; i < member->batches; i++)
            member->batch[i] = member->batch[i + 1];
        member->percent = 0;
        member->moved = now_ms();
        return batch;
    }
    return NULL;
}

/* What the worker still has is tried again: suspicious is the first one, when the worker itself was given
 * up. */
static void empty(crew_t *crew, member_t *member, const char *why)
{
    while (member->batches) {
        batch_t *batch = take_batch(member, member->batch[0]->task);
        if (why)
            suspect(crew, batch, why);
        else
            put_again(crew, batch);
        why = NULL;
    }
}

/* --- workers --- */

static void on_progress(void *arg, int value)
{
    member_t *member = arg;
    member->percent = value;
    member->moved = now_ms();
}

static void start_member(crew_t *crew, member_t *member)
{
    promp_start_t start = {.program = crew->config->program};
    promp_wait_object_t wait = {.arg = member, .progress = on_progress};
    uint64_t files = member->files;
    *member = (member_t){.files = files, .moved = now_ms()};
    if (promp_manager_start(crew->manager, &start, &member->id) ||
        promp_manager_set_wait_object(crew->manager, member->id, &wait))
        fail(crew, promp_manager_error(crew->manager));
}

/* A dead worker: what it had goes to the others, and another one takes its place while there is work. */
static void bury(crew_t *crew, member_t *member)
{
    promp_worker_exit_t end;
    bool known = promp_manager_worker_exit(crew->manager, member->id, &end);
    crew->bad_starts = member->ready ? 0 : crew->bad_starts + 1;
    empty(crew, member, NULL);
    if (crew->bad_starts >= BAD_START) {
        promp_error_t error = {.code = known ? end.cause : PROMP_ERR_WORKER_START};
        snprintf(error.text, sizeof error.text, "workers end before they are ready: %s",
                 known ? end.text : promp_error_text(error.code));
        fail(crew, &error);
    }
    member->id = PROMP_WORKER_INVALID;
    if (!crew->err && (crew->again || !crew->no_more))
        start_member(crew, member);
}

static void give(crew_t *crew, member_t *member)
{
    member->ready = member->ready || promp_manager_worker_ready(crew->manager, member->id);
    while (member->ready && !member->aborted && member->batches < AHEAD) {
        batch_t *batch = next_batch(crew);
        if (!batch)
            return;
        if (!member->batches)
            member->moved = now_ms();
        if (batch_send(batch, crew->manager, member->id) || !batch->task) {
            put_again(crew, batch); /* it has just died */
            return;
        }
        member->batch[member->batches++] = batch;
    }
}

/* --- what comes back --- */

static void take_results(crew_t *crew)
{
    promp_result_t result;
    bool got;
    while (promp_manager_take_result(crew->manager, PROMP_WORKER_ANY, &result, &got) == PROMP_OK && got) {
        member_t *member = member_of(crew, result.worker);
        batch_t *batch = take_batch(member, result.task);
        if (batch && batch_report(batch, result.value, crew->config->report)) {
            member->files += batch->count;
            batch_free(&batch);
        } else if (batch) {
            suspect(crew, batch, "the worker's answer was not understood");
        }
        promp_result_free(&result);
    }
}

static void take_failures(crew_t *crew)
{
    promp_failure_t failure;
    while (promp_manager_take_error(crew->manager, PROMP_WORKER_ANY, &failure)) {
        batch_t *batch = take_batch(member_of(crew, failure.worker), failure.task);
        bool ran = failure.code == PROMP_ERR_OUTCOME_UNKNOWN || failure.code == PROMP_ERR_WORKER_ABORTED ||
                   failure.code < PROMP_ERR_WORKER_EXITED;
        if (batch && ran)
            suspect(crew, batch, failure.text);
        else if (batch)
            put_again(crew, batch);
        promp_failure_free(&failure);
    }
}

/* Ends what does not get on; a worker that obeys lives on, its batches are tried again. */
static void look_after(crew_t *crew, member_t *member, int64_t now)
{
    if (member->id == PROMP_WORKER_INVALID)
        return;
    bool alive = promp_manager_worker_alive(crew->manager, member->id);
    bool busy = promp_manager_worker_busy(crew->manager, member->id);
    if (!alive && !busy) {
        bury(crew, member);
        return;
    }
    if (member->aborted && !busy) {
        member->aborted = false;
        empty(crew, member, "the worker did not get on with it");
    }
    if (!member->batches || member->aborted)
        return;
    int64_t patience =
        crew->config->patience * (int64_t)1000 + (int64_t)(member->batch[0]->bytes / SLOWEST) * 1000;
    if (now - member->moved < patience)
        return;
    member->aborted = true;
    promp_manager_abort_async(crew->manager, member->id, ABORT_MS);
}

static void draw(crew_t *crew, int64_t now)
{
    for (unsigned i = 0; i < crew->config->workers; i++) {
        const member_t *member = &crew->member[i];
        const batch_t *batch = member->batches ? member->batch[0] : NULL;
        size_t at = batch ? (size_t)member->percent * batch->count / 100 : 0;
        crew->line[i] = (survey_line_t){
            .pid = promp_manager_worker_pid(crew->manager, member->id),
            .percent = batch ? member->percent : -1,
            .files = member->files,
            .path = batch ? batch->file[at < batch->count ? at : batch->count - 1].path : NULL};
    }
    survey_screen_draw(crew->config->screen, crew->line, crew->config->workers,
                       survey_report_files(crew->config->report), survey_report_bytes(crew->config->report),
                       now);
}

static bool is_over(const crew_t *crew)
{
    if (!crew->no_more || crew->again)
        return false;
    for (unsigned i = 0; i < crew->config->workers; i++)
        if (crew->member[i].batches)
            return false;
    return true;
}

static void work(crew_t *crew)
{
    while (!crew->err && !is_over(crew)) {
        int64_t now = now_ms();
        for (unsigned i = 0; i < crew->config->workers; i++)
            give(crew, &crew->member[i]);
        draw(crew, now);
        promp_manager_wait(crew->manager, WAIT_MS);
        if (*crew->config->stop) {
            crew->err = PROMP_ERR_STATE;
            return;
        }
        promp_manager_process(crew->manager);
        take_results(crew);
        take_failures(crew);
        for (unsigned i = 0; i < crew->config->workers; i++)
            look_after(crew, &crew->member[i], now_ms());
    }
}

static void start_all(crew_t *crew)
{
    for (unsigned i = 0; i < crew->config->workers && !crew->err; i++)
        start_member(crew, &crew->member[i]);
}

static void free_batches(crew_t *crew)
{
    for (unsigned i = 0; i < crew->config->workers; i++)
        empty(crew, &crew->member[i], NULL);
    while (crew->again) {
        batch_t *batch = crew->again;
        crew->again = batch->next;
        batch_free(&batch);
    }
}

promp_err_t survey_crew_run(const survey_crew_config_t *config, promp_error_t *error)
{
    crew_t crew = {.config = config, .error = error};
    crew.member = calloc(config->workers, sizeof *crew.member);
    crew.line = calloc(config->workers, sizeof *crew.line);
    crew.manager = promp_manager_new(NULL, error);
    if (!crew.member || !crew.line || !crew.manager) {
        crew.err = crew.manager ? PROMP_ERR_MEMORY : error->code;
        goto out;
    }
    start_all(&crew);
    work(&crew);
    free_batches(&crew);
out:
    promp_manager_destroy(&crew.manager);
    free(crew.member);
    free(crew.line);
    return crew.err;
}
