#include "join_folder.h"

#include <stdio.h>
#include <unistd.h>

#include "auth_file.h"

/* Steps of a settlement: the role's key, the broker, the end of the waiting key. While that one is there everything before
 * can be done again; it is known by being the same as the role's key. */

#define WAITING      ".joining"
#define NAME_ROOM    24
#define WAITING_FILE (NAME_ROOM + 16)

static const promp_slice_t no_passphrase;

static promp_err_t lock_folder(const promp_join_place_t *place, int *lock, promp_error_t *error)
{
    int64_t wait = promp_max64(0, place->end - promp_clock_ms());
    return promp_auth_folder_lock(place->folder, wait, lock, error);
}

static const char *waiting_name(const promp_join_place_t *place, char name[NAME_ROOM])
{
    snprintf(name, NAME_ROOM, "%s" WAITING, promp_auth_role_text(place->role));
    return name;
}

static void token_note(const promp_join_place_t *place, promp_auth_key_note_t *note)
{
    *note = (promp_auth_key_note_t){0};
    promp_id_text(&place->token, note->name);
}

static void forget_waiting(const promp_join_place_t *place)
{
    char name[NAME_ROOM], file[WAITING_FILE];
    waiting_name(place, name);
    snprintf(file, sizeof file, "%s.cert", name);
    unlinkat(place->folder, file, 0);
    snprintf(file, sizeof file, "%s.cert_secret", name);
    unlinkat(place->folder, file, 0);
}

/* Whether the role's key may be written: there is none, it gives way, or it is the waiting one, which a settlement that was
 * interrupted has put there. */
static promp_err_t may_settle(const promp_join_place_t *place, const uint8_t *waiting, promp_error_t *error)
{
    const char *role = promp_auth_role_text(place->role);
    promp_auth_key_info_t info;
    promp_auth_joined_t joined;
    promp_err_t code = promp_auth_key_load(place->folder, role, no_passphrase, NULL, &info, error);
    if (code == PROMP_ERR_KEY_MISSING)
        return PROMP_OK;
    if (code || place->replace || (waiting && memcmp(info.public_key, waiting, sizeof info.public_key) == 0))
        return code;
    if (promp_auth_joined_load(place->folder, place->role, &joined, NULL))
        return promp_error_set(error, PROMP_ERR_KEY_EXISTS, 0, "%s.cert_secret", role);
    return promp_error_set(error, PROMP_ERR_KEY_EXISTS, 0, "%s.cert_secret, of the broker at %s", role,
                           joined.address);
}

static promp_err_t make_waiting(const promp_join_place_t *place, const char *name, promp_auth_key_t **key,
                                promp_error_t *error)
{
    promp_auth_key_note_t note;
    promp_err_t code = promp_auth_key_make(key, error);
    if (code)
        return code;
    token_note(place, &note);
    code = promp_auth_key_save(place->folder, name, *key, &note, no_passphrase, error);
    if (code)
        promp_auth_key_destroy(key);
    return code;
}

static promp_err_t find_key(const promp_join_place_t *place, promp_auth_key_t **key, bool *again,
                            promp_error_t *error)
{
    char name[NAME_ROOM];
    promp_auth_key_info_t info;
    promp_auth_key_note_t note;

    *key = NULL;
    promp_err_t code =
        promp_auth_key_load(place->folder, waiting_name(place, name), no_passphrase, key, &info, error);
    if (code && code != PROMP_ERR_KEY_MISSING)
        return code;
    code = may_settle(place, *key ? info.public_key : NULL, error);
    if (code) {
        promp_auth_key_destroy(key);
        return code;
    }
    token_note(place, &note);
    *again = *key && strcmp(info.note.name, note.name) == 0;
    if (*again)
        return PROMP_OK;
    promp_auth_key_destroy(key); /* another token's, which may have let it in under another name */
    return make_waiting(place, name, key, error);
}

promp_err_t promp_join_folder_key(const promp_join_place_t *place, promp_auth_key_t **key, bool *again,
                                  promp_error_t *error)
{
    int lock;
    promp_err_t code = lock_folder(place, &lock, error);
    if (code)
        return code;
    promp_auth_folder_sweep(place->folder);
    code = find_key(place, key, again, error);
    close(lock);
    return code;
}

static promp_err_t settle(const promp_join_place_t *place, promp_auth_key_t *key,
                          const promp_auth_joined_t *joined, promp_error_t *error)
{
    const uint8_t *public_key = promp_auth_key_public(key);
    const char *role = promp_auth_role_text(place->role);
    char name[NAME_ROOM];
    promp_auth_key_note_t note = {0};
    promp_auth_key_info_t waiting;
    promp_err_t code = may_settle(place, public_key, error);
    if (code)
        return code;
    strcpy(note.name, joined->name);
    code = promp_auth_key_save(place->folder, role, key, &note, no_passphrase, error);
    if (!code)
        code = promp_auth_joined_save(place->folder, place->role, joined, error);
    if (code)
        return code;
    waiting_name(place, name);
    if (!promp_auth_key_load(place->folder, name, no_passphrase, NULL, &waiting, NULL) &&
        memcmp(waiting.public_key, public_key, sizeof waiting.public_key) == 0)
        forget_waiting(place); /* another joiner's, who is waiting for his answer, stays */
    return PROMP_OK;
}

promp_err_t promp_join_folder_settle(const promp_join_place_t *place, promp_auth_key_t *key,
                                     const promp_auth_joined_t *joined, promp_error_t *error)
{
    int lock;
    promp_err_t code = lock_folder(place, &lock, error);
    if (code)
        return code;
    code = settle(place, key, joined, error);
    close(lock);
    return code;
}
