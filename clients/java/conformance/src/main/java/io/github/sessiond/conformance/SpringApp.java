package io.github.sessiond.conformance;

import io.github.sessiond.servlet.LoggedIn;
import io.github.sessiond.servlet.Login;
import io.github.sessiond.servlet.RequestSession;
import io.github.sessiond.servlet.Sessions;
import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import org.springframework.boot.Banner;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** The routes of the table with Spring MVC and the starter, on Tomcat. */
final class SpringApp {
  private SpringApp() {}

  static String start(String sessiondUrl) {
    var context =
        new SpringApplicationBuilder(App.class)
            .bannerMode(Banner.Mode.OFF)
            .properties(
                Map.of(
                    "server.address", "127.0.0.1",
                    "server.port", "0",
                    "sessiond.address", sessiondUrl,
                    "sessiond.required", "/me,/change,/logout",
                    "sessiond.optional", "/optional"))
            .run();
    return "http://127.0.0.1:" + context.getEnvironment().getProperty("local.server.port");
  }

  @Configuration(proxyBeanMethods = false)
  @EnableAutoConfiguration
  @Import(Controller.class)
  static class App {
    @Bean
    FilterRegistrationBean<Filter> acmeFilter(Sessions sessions) {
      var registration = new FilterRegistrationBean<>(sessions.withTenant("acme").required());
      registration.addUrlPatterns("/acme/*");
      return registration;
    }
  }

  @RestController
  static class Controller {
    private final Sessions sessions;

    Controller(Sessions sessions) {
      this.sessions = sessions;
    }

    @GetMapping("/login")
    Map<String, Object> startLogin(HttpServletRequest request, HttpServletResponse response) {
      return Map.of("csrfToken", sessions.startLogin(request, response));
    }

    @PostMapping("/login")
    Map<String, Object> logIn(
        @RequestParam String user,
        @RequestParam Optional<String> tenant,
        HttpServletRequest request,
        HttpServletResponse response) {
      sessions.checkLogin(request);
      Login login = Login.user(user);
      LoggedIn loggedIn =
          sessions.logIn(
              request,
              response,
              tenant.filter(id -> !id.isEmpty()).map(login::withTenantId).orElse(login));
      return Map.of("actorId", loggedIn.session().getActorId(), "csrfToken", loggedIn.csrfToken());
    }

    @GetMapping({"/me", "/acme/me"})
    Map<String, Object> me(RequestSession session) {
      return Answers.me(session);
    }

    @RequestMapping("/change")
    Map<String, Object> change(
        RequestSession session, @RequestParam(required = false) String note) {
      return Answers.change(session, note);
    }

    @RequestMapping("/optional")
    Map<String, Object> optional(Optional<RequestSession> session) {
      return Collections.singletonMap(
          "actorId", session.map(found -> found.session().getActorId()).orElse(null));
    }

    @PostMapping("/logout")
    Map<String, Object> logOut(HttpServletRequest request, HttpServletResponse response) {
      return Map.of("revoked", sessions.logOut(request, response));
    }
  }
}
