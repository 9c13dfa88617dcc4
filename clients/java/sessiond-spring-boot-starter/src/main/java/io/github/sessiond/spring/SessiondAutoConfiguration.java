package io.github.sessiond.spring;

import io.github.sessiond.client.Sessiond;
import io.github.sessiond.client.SessiondOptions;
import io.github.sessiond.servlet.Sessions;
import io.github.sessiond.servlet.SessionsOptions;
import java.util.List;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.web.method.support.HandlerMethodArgumentResolver;
import org.springframework.web.servlet.HandlerExceptionResolver;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/**
 * Makes a {@link Sessiond} client, {@link Sessions} and a filter for the paths of {@link
 * SessiondProperties}. A bean of the application replaces each of the first two; beans of {@link
 * SessiondOptions} and {@link SessionsOptions} replace the properties of the same kind.
 */
@AutoConfiguration
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
@EnableConfigurationProperties(SessiondProperties.class)
public class SessiondAutoConfiguration {
  /** After the filters that read forms, and before Spring Security's, which is at -100. */
  static final int FILTER_ORDER = -110;

  /** For Spring. */
  public SessiondAutoConfiguration() {}

  @Bean
  @ConditionalOnMissingBean
  Sessiond sessiond(SessiondProperties properties, ObjectProvider<SessiondOptions> options) {
    Sessiond sessiond =
        Sessiond.connect(
            properties.address(), options.getIfAvailable(() -> properties.clientOptions().build()));
    sessiond.prepare();
    return sessiond;
  }

  @Bean
  @ConditionalOnMissingBean
  Sessions sessiondSessions(
      Sessiond sessiond,
      SessiondProperties properties,
      ObjectProvider<SessionsOptions> sessionsOptions) {
    SessionsOptions options = sessionsOptions.getIfAvailable(SessionsOptions::defaults);
    return properties.tenant() == null
        ? new Sessions(sessiond, options)
        : new Sessions(sessiond, options).withTenant(properties.tenant());
  }

  @Bean
  FilterRegistrationBean<PathFilter> sessiondFilter(
      Sessions sessions, SessiondProperties properties) {
    var registration = new FilterRegistrationBean<>(new PathFilter(sessions, properties));
    registration.setOrder(FILTER_ORDER);
    return registration;
  }

  @Bean
  WebMvcConfigurer sessiondWebMvcConfigurer(Sessions sessions) {
    return new WebMvcConfigurer() {
      @Override
      public void addArgumentResolvers(List<HandlerMethodArgumentResolver> resolvers) {
        resolvers.add(new RequestSessionArgumentResolver());
      }

      /** Before the application's own, which may be for every exception. */
      @Override
      public void extendHandlerExceptionResolvers(List<HandlerExceptionResolver> resolvers) {
        resolvers.add(0, new SessionRefusedExceptionResolver(sessions));
      }
    };
  }
}
