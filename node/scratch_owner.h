/* scratch_owner.h - whose private folders are: a lock file beside them, "promp-NODE.lock", is locked by the keeper and by those
 * who remove folders for it, shared, as long as they live. Whoever can lock it alone is the last, or comes after all of them were
 * killed, and what is left is his to remove. A folder without such a file is nobody's to remove. */
#ifndef PROMP_NODE_SCRATCH_OWNER_H
#define PROMP_NODE_SCRATCH_OWNER_H

#include "base.h"

/* Takes part in owning the folders of this node; makes the file. The descriptor, or -1 with errno. */
int promp_scratch_own(const promp_id_t *node);
/* Likewise, for another process, while fd is held. -1: the file is gone, or cannot be had. */
int promp_scratch_share(int fd);
/* No more; closes it. Who was the last removes the folders that are left, here and now, and the file. -1 is fine. */
void promp_scratch_disown(const promp_id_t *node, int fd);

/* Removes, here and now, what nodes of this user that were killed have left where our folders would be. Links are not followed, and what
 * belongs to another user, or lies where others may move things about, stays. Returns how many nodes these were. */
size_t promp_scratch_inherit(void);

#endif
