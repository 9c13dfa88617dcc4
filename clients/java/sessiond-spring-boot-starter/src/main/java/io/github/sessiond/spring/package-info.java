/** Spring Boot configures the client and the sessions of sessiond for Spring MVC. */
package io.github.sessiond.spring;
