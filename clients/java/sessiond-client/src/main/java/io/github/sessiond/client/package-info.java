/**
 * Connects to sessiond, a login-session service, and reads its errors. The messages and the gRPC
 * stubs are in {@code io.github.sessiond.v1}.
 */
package io.github.sessiond.client;
