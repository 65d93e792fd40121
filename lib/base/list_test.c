#include "list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct {
    int before; /* so that the node is not at offset 0 */
    promp_node_t node;
} item_t;

static item_t *item_of(promp_node_t *node)
{
    return node ? PROMP_CONTAINER(node, item_t, node) : NULL;
}

/* Aim: items come back in the order in which they were appended. */
static void keeps_order(void **state)
{
    (void)state;
    promp_list_t list;
    item_t items[3] = {{0}};

    promp_list_init(&list);
    assert_null(promp_list_first(&list));
    for (int i = 0; i < 3; i++)
        promp_list_append(&list, &items[i].node);
    assert_int_equal(list.count, 3);
    item_t *item = item_of(promp_list_first(&list));
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(item, &items[i]);
        item = item_of(promp_list_after(&list, &item->node));
    }
    assert_null(item);
}

/* Aim: what is prepended comes first, in an empty list and before others. */
static void prepends(void **state)
{
    (void)state;
    promp_list_t list;
    item_t items[3] = {{0}};

    promp_list_init(&list);
    promp_list_prepend(&list, &items[1].node);
    promp_list_prepend(&list, &items[0].node);
    promp_list_append(&list, &items[2].node);
    assert_int_equal(list.count, 3);
    item_t *item = item_of(promp_list_first(&list));
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(item, &items[i]);
        item = item_of(promp_list_after(&list, &item->node));
    }
    assert_null(item);
    for (int i = 0; i < 3; i++)
        promp_list_remove(&list, &items[i].node);
    assert_null(promp_list_first(&list));
}

/* Aim: first, middle and last can be removed, removing again does nothing, and what was removed may be
 * appended again. */
static void removes(void **state)
{
    (void)state;
    promp_list_t list;
    item_t items[4] = {{0}};

    promp_list_init(&list);
    for (int i = 0; i < 4; i++)
        promp_list_append(&list, &items[i].node);
    promp_list_remove(&list, &items[1].node);
    promp_list_remove(&list, &items[1].node);
    promp_list_remove(&list, &items[0].node);
    promp_list_remove(&list, &items[3].node);
    assert_int_equal(list.count, 1);
    assert_ptr_equal(item_of(promp_list_first(&list)), &items[2]);
    promp_list_append(&list, &items[0].node);
    assert_ptr_equal(item_of(promp_list_after(&list, &items[2].node)), &items[0]);
    promp_list_remove(&list, &items[2].node);
    promp_list_remove(&list, &items[0].node);
    assert_null(promp_list_first(&list));
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_order), cmocka_unit_test(prepends),
                                       cmocka_unit_test(removes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
