/* watchdog.h: the limits of a connection that time enforces.
 *
 * One timer per connection stands for all its deadlines: handshake, lingering,
 * idleness, and the rate at which the peer takes bytes.  It is set to the
 * earliest and not moved when a byte makes one later; when it fires, what is
 * really due is looked at, and it is set again for the rest.
 */
#ifndef FASTNET_WATCHDOG_H
#define FASTNET_WATCHDOG_H

#include "fastnet/reactor.h"

void fn_watchdog_schedule(struct fn_reactor *r, struct fn_node *n);
/* What waits to be written has changed. */
void fn_watchdog_rate(struct fn_reactor *r, struct fn_node *n);
/* The timer fired; n may have failed or gone afterwards. */
void fn_watchdog_fire(struct fn_reactor *r, struct fn_node *n);

#endif
