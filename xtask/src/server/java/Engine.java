import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Makes nodes of whatever server lies on the class path.
 *
 * <p>By reflection throughout: packages, constructors and return types differ between
 * Elasticsearch 6 to 9 and OpenSearch 1 to 3, and one source serves them all.
 */
final class Engine {
    private final String root;
    private final int major;
    private final Path modules;
    private final boolean elasticsearch;

    /** A node whatever its class. */
    interface Node extends AutoCloseable {
        void start() throws Exception;

        int httpPort() throws Exception;
    }

    Engine(String family, int major, Path home) {
        this.major = major;
        root = "org." + family + ".";
        modules = home.resolve("modules");
        elasticsearch = family.equals("elasticsearch");
    }

    Node make(Map<String, String> settings) throws Exception {
        if (elasticsearch && major >= 8) {
            // A static initialiser of the node logs, and fails where this has not been called.
            call(type("common.logging.LogConfigurator"), null, "configureESLogging");
        }
        try {
            return wrap((AutoCloseable) construct(environment(settings)));
        } catch (InvocationTargetException wrapped) {
            throw wrapped.getCause() instanceof Exception cause ? cause : wrapped;
        }
    }

    private Object environment(Map<String, String> settings) throws Exception {
        Class<?> settingsType = type("common.settings.Settings");
        Object builder = call(settingsType, null, "builder");
        Method put = builder.getClass().getMethod("put", String.class, String.class);
        for (Map.Entry<String, String> setting : settings.entrySet()) {
            put.invoke(builder, setting.getKey(), setting.getValue());
        }
        Object built = call(builder.getClass(), builder, "build");
        return type("env.Environment").getConstructor(settingsType, Path.class).newInstance(built, null);
    }

    /** Three ways, by age: modules on the class path, modules in a directory, modules loaded first. */
    private Object construct(Object environment) throws Exception {
        Class<?> node = type("node.Node");
        Class<?> environmentType = type("env.Environment");
        if (Files.notExists(modules)) {
            return Class.forName("BareNode").getConstructor(environmentType, Collection.class)
                .newInstance(environment, List.of(type("transport.Netty4Plugin")));
        }
        if (!elasticsearch) {
            return node.getConstructor(environmentType).newInstance(environment);
        }
        for (Constructor<?> constructor : node.getConstructors()) {
            Class<?>[] parameters = constructor.getParameterTypes();
            if (parameters.length == 2 && parameters[1].getSimpleName().equals("PluginsLoader")) {
                Object made = constructor.newInstance(environment, modules(parameters[1]));
                Class.forName("RootAction").getMethod("register", node).invoke(null, made);
                return made;
            }
        }
        throw new NoSuchMethodException("Node(Environment, PluginsLoader): this version is not supported");
    }

    private Object modules(Class<?> loader) throws Exception {
        Object bundles = major == 8
            ? loader.getMethod("loadModulesBundles", Path.class).invoke(null, modules)
            : loader.getMethod("loadModulesBundles", Path.class, boolean.class).invoke(null, modules, false);
        // The last argument: no exports to modules, as the server on the class path is not one itself.
        return loader.getMethod("createPluginsLoader", Set.class, Set.class, Map.class, boolean.class)
            .invoke(null, bundles, Set.of(), Map.of(), false);
    }

    private Node wrap(AutoCloseable node) {
        return new Node() {
            @Override
            public void start() throws Exception {
                call(node.getClass(), node, "start");
            }

            @Override
            public int httpPort() throws Exception {
                // Methods of declared types only: the implementing classes are not public.
                Method injector = node.getClass().getMethod("injector");
                Class<?> http = type("http.HttpServerTransport");
                Object transport = injector.getReturnType().getMethod("getInstance", Class.class)
                    .invoke(injector.invoke(node), http);
                Object bound = call(http, transport, "boundAddress");
                Object published = call(bound.getClass(), bound, "publishAddress");
                return (Integer) call(published.getClass(), published, "getPort");
            }

            @Override
            public void close() throws Exception {
                node.close();
            }
        };
    }

    private Class<?> type(String name) throws ClassNotFoundException {
        return Class.forName(root + name);
    }

    private static Object call(Class<?> type, Object on, String method) throws Exception {
        return type.getMethod(method).invoke(on);
    }
}
