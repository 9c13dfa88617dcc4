/** Starts a real sessiond for tests. */
package io.github.sessiond.client.testing;
