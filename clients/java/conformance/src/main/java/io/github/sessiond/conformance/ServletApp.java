package io.github.sessiond.conformance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import io.github.sessiond.client.Sessiond;
import io.github.sessiond.servlet.LoggedIn;
import io.github.sessiond.servlet.Login;
import io.github.sessiond.servlet.RequestSession;
import io.github.sessiond.servlet.Sessions;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Map;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** The routes of the table with servlets and filters, on Jetty. */
final class ServletApp {
  /** Answers with a value that becomes JSON. */
  private interface Handler {
    Object handle(HttpServletRequest request, HttpServletResponse response) throws IOException;
  }

  private static final Gson GSON = new GsonBuilder().serializeNulls().create();

  private final ServletContextHandler context = new ServletContextHandler();
  private final Sessions sessions;

  private ServletApp(Sessions sessions) {
    this.sessions = sessions;
    route("/login", sessions.refusals(), this::login);
    route("/me", sessions.required(), ServletApp::me);
    route("/change", sessions.required(), ServletApp::change);
    route("/optional", sessions.optional(), ServletApp::optional);
    route("/acme/me", sessions.withTenant("acme").required(), ServletApp::me);
    route("/logout", sessions.required(), this::logout);
  }

  static String start(Sessiond sessiond) throws Exception {
    Server server = new Server();
    ServerConnector connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    server.addConnector(connector);
    server.setHandler(new ServletApp(new Sessions(sessiond)).context);
    server.start();
    return "http://127.0.0.1:" + connector.getLocalPort();
  }

  private void route(String path, Filter filter, Handler handler) {
    context.addFilter(new FilterHolder(filter), path, EnumSet.of(DispatcherType.REQUEST));
    context.addServlet(new ServletHolder(new JsonServlet(handler)), path);
  }

  private Object login(HttpServletRequest request, HttpServletResponse response) {
    if (request.getMethod().equals("GET")) {
      return Map.of("csrfToken", sessions.startLogin(request, response));
    }
    sessions.checkLogin(request);
    Login login = Login.user(request.getParameter("user"));
    String tenant = request.getParameter("tenant");
    LoggedIn loggedIn =
        sessions.logIn(
            request,
            response,
            tenant == null || tenant.isEmpty() ? login : login.withTenantId(tenant));
    return Map.of("actorId", loggedIn.session().getActorId(), "csrfToken", loggedIn.csrfToken());
  }

  private static Object me(HttpServletRequest request, HttpServletResponse response) {
    return Answers.me(RequestSession.of(request).orElseThrow());
  }

  private static Object change(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    return Answers.change(RequestSession.of(request).orElseThrow(), request.getParameter("note"));
  }

  private static Object optional(HttpServletRequest request, HttpServletResponse response) {
    return Collections.singletonMap(
        "actorId",
        RequestSession.of(request).map(found -> found.session().getActorId()).orElse(null));
  }

  private Object logout(HttpServletRequest request, HttpServletResponse response) {
    return Map.of("revoked", sessions.logOut(request, response));
  }

  private static final class JsonServlet extends HttpServlet {
    private static final long serialVersionUID = 1;

    private final transient Handler handler;

    private JsonServlet(Handler handler) {
      this.handler = handler;
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response)
        throws IOException {
      String json = GSON.toJson(handler.handle(request, response));
      response.setContentType("application/json");
      response.setCharacterEncoding("UTF-8");
      response.getWriter().write(json);
    }
  }
}
