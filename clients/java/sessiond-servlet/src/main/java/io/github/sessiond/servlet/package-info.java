/**
 * Login sessions of sessiond for servlet applications: filters that require a session, and what a
 * login needs. Start with {@link io.github.sessiond.servlet.Sessions}.
 */
package io.github.sessiond.servlet;
