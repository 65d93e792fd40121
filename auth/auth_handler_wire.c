#include <zmq.h>

#include "auth_handler_inside.h"
#include "text.h"

/* Takes one part; false: there is none. */
static bool receive_part(void *socket, promp_auth_question_t *question)
{
    zmq_msg_t message;
    zmq_msg_init(&message);
    bool got = zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) >= 0;
    if (got && question->parts < PROMP_AUTH_QUESTION_PARTS) {
        size_t size = zmq_msg_size(&message);
        size = size > PROMP_AUTH_PART ? 0 : size;
        memcpy(question->part[question->parts].bytes, zmq_msg_data(&message), size);
        question->part[question->parts].size = size;
    }
    question->parts += got;
    bool more = got && zmq_msg_more(&message);
    zmq_msg_close(&message);
    return more;
}

static promp_slice_t part_at(const promp_auth_question_t *question, size_t index)
{
    return promp_slice(question->part[index].bytes, question->part[index].size);
}

/* Behind who asked: version, request id, domain, address, identity, mechanism, credentials. */
static void understand(promp_auth_question_t *question)
{
    const size_t start = question->start, parts = question->parts;
    promp_slice_t version = part_at(question, start);
    if (parts > PROMP_AUTH_QUESTION_PARTS || parts < start + 6 || version.size != 3 ||
        memcmp(version.data, "1.0", 3) != 0)
        return;
    question->request.domain = part_at(question, start + 2);
    question->request.address = part_at(question, start + 3);
    question->request.mechanism = part_at(question, start + 5);
    question->request.credentials = parts - start - 6;
    if (question->request.credentials)
        question->request.key = part_at(question, start + 6);
    memcpy(question->address, question->request.address.data, question->request.address.size);
    question->address[question->request.address.size] = '\0';
    promp_text_tidy(question->address, false);
}

bool promp_auth_question_receive(void *socket, promp_auth_question_t *question)
{
    question->parts = 0;
    question->request = (promp_auth_request_t){0};
    question->address[0] = '\0';
    while (receive_part(socket, question))
        ;
    size_t known = question->parts < PROMP_AUTH_QUESTION_PARTS ? question->parts : PROMP_AUTH_QUESTION_PARTS;
    for (question->start = 1; question->start < known; question->start++)
        if (!question->part[question->start].size)
            break;
    question->start++;
    if (question->start + 1 >= known) /* no delimiter, or no request id: nobody could know the answer */
        return false;
    understand(question);
    return true;
}

static void send(void *socket, const void *data, size_t size, bool more)
{
    zmq_send(socket, data, size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
}

static void send_text(void *socket, const char *text)
{
    send(socket, text, strlen(text), true);
}

/* One property of the metadata: length of the name, name, length of the value in network order, value. */
static size_t put_role(uint8_t *to, promp_auth_role_t role)
{
    static const char name[] = "Role";
    const char *value = promp_auth_role_text(role);
    size_t size = strlen(value);
    *to++ = sizeof name - 1;
    memcpy(to, name, sizeof name - 1);
    to += sizeof name - 1;
    memcpy(to, (uint8_t[]){0, 0, 0, (uint8_t)size}, 4);
    memcpy(to + 4, value, size);
    return 1 + sizeof name - 1 + 4 + size;
}

void promp_auth_question_answer(void *socket, const promp_auth_question_t *question,
                                const promp_auth_decision_t *decision)
{
    uint8_t metadata[64];
    const bool in = decision->status == 200;
    for (size_t i = 0; i < question->start; i++)
        send(socket, question->part[i].bytes, question->part[i].size, true);
    send_text(socket, "1.0");
    send(socket, question->part[question->start + 1].bytes, question->part[question->start + 1].size, true);
    send_text(socket, in ? "200" : "400");
    send_text(socket, in ? "OK" : "No access"); /* never why */
    send_text(socket, in ? decision->user_id : "");
    send(socket, metadata, in ? put_role(metadata, decision->role) : 0, false);
}
