"""The frames of the libraries below and above the services' own code, as Python prints them in a stack trace.

Facts of SQLAlchemy 1.4, PyMySQL 1.0, oslo.db 12.1, oslo.messaging 14.0, eventlet and the WSGI pipelines of the Zed
release, under Python 3.11, as a recorded control plane prints them; those of cinder, glance, keystone, neutron and
placement are of the same release, with line numbers that are made up.
"""

from __future__ import annotations

from typing import NamedTuple

PACKAGES = "/usr/lib/python3/dist-packages/"


class Frame(NamedTuple):
    """One frame of a traceback as it is printed."""

    path: str
    function: str
    statement: str
    line: int


def _frames(text: str) -> tuple[Frame, ...]:
    """From lines of `path line function statement`."""
    split = (row.split(" ", 3) for row in text.strip().splitlines())
    return tuple(Frame(path, function, statement, int(line)) for path, line, function, statement in split)


# --- the database --------------------------------------------------------------------------------------------------

SOCKET = _frames("""
pymysql/connections.py 613 connect sock = socket.create_connection(
eventlet/green/socket.py 63 create_connection raise err
eventlet/green/socket.py 53 create_connection sock.connect(sa)
eventlet/greenio/base.py 270 connect socket_checkerr(fd)
eventlet/greenio/base.py 54 socket_checkerr raise socket.error(err, errno.errorcode[err])
""")
"""PyMySQL's attempt to connect: it ends in ConnectionRefusedError."""
CONNECT = _frames("""
sqlalchemy/engine/base.py 3361 _wrap_pool_connect return fn()
sqlalchemy/pool/base.py 327 connect return _ConnectionFairy._checkout(self)
sqlalchemy/pool/base.py 894 _checkout fairy = _ConnectionRecord.checkout(pool)
sqlalchemy/pool/base.py 497 checkout with util.safe_reraise():
sqlalchemy/util/langhelpers.py 70 __exit__ compat.raise_(
sqlalchemy/util/compat.py 211 raise_ raise exception
sqlalchemy/pool/base.py 495 checkout dbapi_connection = rec.get_connection()
sqlalchemy/pool/base.py 659 get_connection self.__connect()
sqlalchemy/pool/base.py 690 __connect with util.safe_reraise():
sqlalchemy/util/langhelpers.py 70 __exit__ compat.raise_(
sqlalchemy/util/compat.py 211 raise_ raise exception
sqlalchemy/pool/base.py 686 __connect self.dbapi_connection = connection = pool._invoke_creator(self)
sqlalchemy/engine/create.py 578 connect return dialect.connect(*cargs, **cparams)
sqlalchemy/engine/default.py 598 connect return self.dbapi.connect(*cargs, **cparams)
pymysql/connections.py 353 __init__ self.connect()
pymysql/connections.py 664 connect raise exc
""")
"""SQLAlchemy's pool makes a connection: it ends in PyMySQL's error."""
QUERY = _frames("""
sqlalchemy/orm/query.py 2824 first return self.limit(1)._iter().first()
sqlalchemy/orm/query.py 2916 _iter result = self.session.execute(
sqlalchemy/orm/session.py 1713 execute conn = self._connection_for_bind(bind)
sqlalchemy/orm/session.py 1552 _connection_for_bind return self._transaction._connection_for_bind(
sqlalchemy/orm/session.py 747 _connection_for_bind conn = bind.connect()
sqlalchemy/engine/base.py 3315 connect return self._connection_cls(self, close_with_result=close_with_result)
sqlalchemy/engine/base.py 96 __init__ else engine.raw_connection()
sqlalchemy/engine/base.py 3394 raw_connection return self._wrap_pool_connect(self.pool.connect, _connection)
sqlalchemy/engine/base.py 3364 _wrap_pool_connect Connection._handle_dbapi_exception_noconnection(
sqlalchemy/engine/base.py 2196 _handle_dbapi_exception_noconnection util.raise_(
sqlalchemy/util/compat.py 211 raise_ raise exception
""")
"""From a query to the pool, and how its error is wrapped."""
STATEMENT = _frames("""
sqlalchemy/engine/base.py 1900 _execute_context self.dialect.do_execute(
sqlalchemy/engine/default.py 736 do_execute cursor.execute(statement, parameters)
pymysql/cursors.py 148 execute result = self._query(query)
pymysql/cursors.py 310 _query conn.query(q)
pymysql/connections.py 548 query self._affected_rows = self._read_query_result(unbuffered=unbuffered)
pymysql/connections.py 775 _read_query_result result.read()
pymysql/connections.py 1156 read first_packet = self.connection._read_packet()
pymysql/connections.py 692 _read_packet packet_header = self._read_bytes(4)
pymysql/connections.py 748 _read_bytes raise err.OperationalError(
""")
"""A statement on a connection that is lost meanwhile."""
EXECUTE = _frames("""
sqlalchemy/orm/query.py 2824 first return self.limit(1)._iter().first()
sqlalchemy/orm/query.py 2916 _iter result = self.session.execute(
sqlalchemy/orm/session.py 1714 execute result = conn._execute_20(statement, params or {}, execution_options)
sqlalchemy/engine/base.py 1705 _execute_20 return meth(self, args_10style, kwargs_10style, execution_options)
sqlalchemy/sql/elements.py 334 _execute_on_connection return connection._execute_clauseelement(
sqlalchemy/engine/base.py 1572 _execute_clauseelement ret = self._execute_context(
sqlalchemy/engine/base.py 1943 _execute_context self._handle_dbapi_exception(
sqlalchemy/engine/base.py 2122 _handle_dbapi_exception util.raise_(newraise, with_traceback=exc_info[2], from_=e)
sqlalchemy/util/compat.py 211 raise_ raise exception
""")
"""From a query to its statement, and how its error is wrapped."""
PING = _frames("""
oslo_db/sqlalchemy/engines.py 73 _connect_ping_listener connection.scalar(select(1))
sqlalchemy/engine/base.py 1262 scalar return self.execute(object_, *multiparams, **params).scalar()
sqlalchemy/engine/base.py 1380 execute return meth(self, multiparams, params, _EMPTY_EXECUTION_OPTS)
sqlalchemy/sql/elements.py 334 _execute_on_connection return connection._execute_clauseelement(
sqlalchemy/engine/base.py 1572 _execute_clauseelement ret = self._execute_context(
sqlalchemy/engine/base.py 1943 _execute_context self._handle_dbapi_exception(
sqlalchemy/engine/base.py 2122 _handle_dbapi_exception util.raise_(newraise, with_traceback=exc_info[2], from_=e)
sqlalchemy/util/compat.py 211 raise_ raise exception
""")
"""oslo.db's test of a connection before it is used."""
TRANSACTION = _frames("""
oslo_db/sqlalchemy/enginefacade.py 1010 wrapper return fn(*args, **kwargs)
""")
"""oslo.db's decorator of a function that reads or writes."""

# --- messages and requests -----------------------------------------------------------------------------------------

RPC_CALL = _frames("""
oslo_messaging/rpc/client.py 190 call result = self.transport._send(
oslo_messaging/transport.py 123 _send return self._driver.send(target, ctxt, message,
oslo_messaging/_drivers/amqpdriver.py 689 send return self._send(target, ctxt, message, wait_for_reply, timeout,
""")
"""A call that waits for its answer."""
RPC_ERROR = _frames("""
oslo_messaging/_drivers/amqpdriver.py 681 _send raise result
""")
"""The answer is an error."""
RPC_TIMEOUT = _frames("""
oslo_messaging/_drivers/amqpdriver.py 678 _send result = self._waiter.wait(msg_id, timeout,
oslo_messaging/_drivers/amqpdriver.py 567 wait message = self.waiters.get(msg_id, timeout=timeout)
oslo_messaging/_drivers/amqpdriver.py 443 get raise oslo_messaging.MessagingTimeout(
""")
"""There is none in time."""
RPC_ENTRY = _frames("""
oslo_messaging/rpc/server.py 165 _process_incoming res = self.dispatcher.dispatch(message)
oslo_messaging/rpc/dispatcher.py 309 dispatch return self._do_dispatch(endpoint, method, ctxt, args)
oslo_messaging/rpc/dispatcher.py 229 _do_dispatch result = func(ctxt, **new_args)
""")
"""Between RabbitMQ and a procedure."""
HTTP_CALL = _frames("""
keystoneauth1/adapter.py 258 request return self.session.request(url, method, **kwargs)
keystoneauth1/session.py 986 request raise exceptions.from_response(resp, method, url)
""")
"""A request of a client library that is answered with an error."""
PERIODIC_ENTRY = _frames("""
oslo_service/periodic_task.py 216 run_periodic_tasks task(self, context)
""")
"""A periodic task."""
HEARTBEAT_WRITTEN = _frames("""
nova/servicegroup/drivers/db.py 92 _report_state service.service_ref.save()
oslo_versionedobjects/base.py 226 wrapper return fn(self, *args, **kwargs)
nova/objects/service.py 480 save db_service = db.service_update(self._context, self.id, updates)
oslo_db/api.py 144 wrapper with excutils.save_and_reraise_exception() as ectxt:
oslo_utils/excutils.py 227 __exit__ self.force_reraise()
oslo_utils/excutils.py 200 force_reraise raise self.value
oslo_db/api.py 142 wrapper return f(*args, **kwargs)
nova/db/main/api.py 207 wrapper return f(context, *args, **kwargs)
nova/db/main/api.py 563 service_update service_ref = service_get(context, service_id)
nova/db/main/api.py 224 wrapper return f(context, *args, **kwargs)
nova/db/main/api.py 398 service_get result = query.first()
""")
"""A heartbeat where the service reaches the database itself."""
HEARTBEAT_SENT = _frames("""
nova/servicegroup/drivers/db.py 92 _report_state service.service_ref.save()
oslo_versionedobjects/base.py 209 wrapper updates, result = self.indirection_api.object_action(
nova/conductor/rpcapi.py 247 object_action return cctxt.call(context, 'object_action', objinst=objinst,
""")
"""A heartbeat through nova-conductor."""
CELL = _frames("""
nova/context.py 422 gather_result result = fn(*args, **kwargs)
""")
"""What nova asks of every cell."""

# --- from a request to an API's own code ---------------------------------------------------------------------------

WSGI_ENTRY = _frames("""
webob/dec.py 129 __call__ resp = self.call_func(req, *args, **kw)
webob/dec.py 193 call_func return self.func(req, *args, **kwargs)
keystonemiddleware/auth_token/__init__.py 340 __call__ response = req.get_response(self._app)
webob/request.py 1313 send status, headers, app_iter = self.call_application(
webob/request.py 1278 call_application app_iter = application(self.environ, start_response)
routes/middleware.py 153 __call__ response = self.app(environ, start_response)
""")
"""A pipeline of webob's."""
NOVA_ENTRY = _frames("""
nova/api/openstack/wsgi.py 658 wrapped return f(*args, **kwargs)
""")
"""nova-api catches in a decorator of the controllers' methods."""
NEUTRON_ENTRY = _frames("""
pecan/core.py 693 __call__ self.invoke_controller(controller, args, kwargs, state)
pecan/core.py 584 invoke_controller result = controller(*args, **kwargs)
neutron_lib/db/api.py 140 wrapped with excutils.save_and_reraise_exception():
oslo_utils/excutils.py 227 __exit__ self.force_reraise()
oslo_utils/excutils.py 200 force_reraise raise self.value
neutron_lib/db/api.py 138 wrapped return f(*args, **kwargs)
oslo_db/api.py 144 wrapper with excutils.save_and_reraise_exception() as ectxt:
oslo_utils/excutils.py 227 __exit__ self.force_reraise()
oslo_utils/excutils.py 200 force_reraise raise self.value
oslo_db/api.py 142 wrapper return f(*args, **kwargs)
neutron_lib/db/api.py 186 wrapped with excutils.save_and_reraise_exception():
oslo_utils/excutils.py 227 __exit__ self.force_reraise()
oslo_utils/excutils.py 200 force_reraise raise self.value
neutron_lib/db/api.py 184 wrapped return f(*dup_args, **dup_kwargs)
neutron/pecan_wsgi/controllers/utils.py 65 wrapped return f(*args, **kwargs)
""")
"""Pecan's, with neutron's retries."""
CINDER_ENTRY = _frames("""
cinder/api/middleware/fault.py 84 __call__ return req.get_response(self.application)
webob/request.py 1313 send status, headers, app_iter = self.call_application(
webob/request.py 1278 call_application app_iter = application(self.environ, start_response)
webob/dec.py 129 __call__ resp = self.call_func(req, *args, **kw)
webob/dec.py 193 call_func return self.func(req, *args, **kwargs)
osprofiler/web.py 111 __call__ return request.get_response(self.application)
webob/request.py 1313 send status, headers, app_iter = self.call_application(
webob/request.py 1278 call_application app_iter = application(self.environ, start_response)
webob/dec.py 129 __call__ resp = self.call_func(req, *args, **kw)
webob/dec.py 193 call_func return self.func(req, *args, **kwargs)
keystonemiddleware/auth_token/__init__.py 340 __call__ response = req.get_response(self._app)
webob/request.py 1313 send status, headers, app_iter = self.call_application(
webob/request.py 1278 call_application app_iter = application(self.environ, start_response)
webob/dec.py 143 __call__ return resp(environ, start_response)
routes/middleware.py 153 __call__ response = self.app(environ, start_response)
webob/dec.py 143 __call__ return resp(environ, start_response)
webob/dec.py 129 __call__ resp = self.call_func(req, *args, **kw)
webob/dec.py 193 call_func return self.func(req, *args, **kwargs)
cinder/api/openstack/wsgi.py 839 __call__ return self._process_stack(request, action, action_args,
cinder/api/openstack/wsgi.py 900 _process_stack action_result = self.dispatch(meth, request, action_args)
cinder/api/openstack/wsgi.py 994 dispatch return method(req=request, **action_args)
""")
"""cinder-api catches in the outermost of its filters."""
GLANCE_ENTRY = _frames("""
webob/dec.py 129 __call__ resp = self.call_func(req, *args, **kw)
webob/dec.py 193 call_func return self.func(req, *args, **kwargs)
glance/common/wsgi.py 1243 __call__ action_result = self.dispatch(self.controller, action,
glance/common/wsgi.py 1288 dispatch return method(*args, **kwargs)
glance/common/utils.py 434 wrapped return func(self, req, *args, **kwargs)
""")
"""glance-api's dispatcher."""
KEYSTONE_ENTRY = _frames("""
flask/app.py 1823 full_dispatch_request rv = self.dispatch_request()
flask/app.py 1799 dispatch_request return self.ensure_sync(self.view_functions[rule.endpoint])(**view_args)
flask_restful/__init__.py 467 wrapper resp = resource(*args, **kwargs)
flask/views.py 107 view return current_app.ensure_sync(self.dispatch_request)(**kwargs)
flask_restful/__init__.py 582 dispatch_request resp = meth(*args, **kwargs)
""")
"""Flask's."""
PLACEMENT_ENTRY = _frames("""
placement/fault_wrap.py 39 __call__ return self.application(environ, start_response)
webob/dec.py 129 __call__ resp = self.call_func(req, *args, **kw)
webob/dec.py 193 call_func return self.func(req, *args, **kwargs)
microversion_parse/middleware.py 80 __call__ response = req.get_response(self.application)
webob/request.py 1313 send status, headers, app_iter = self.call_application(
webob/request.py 1278 call_application app_iter = application(self.environ, start_response)
placement/handler.py 215 __call__ return dispatch(environ, start_response, self._map)
placement/handler.py 149 dispatch return handler(environ, start_response)
webob/dec.py 129 __call__ resp = self.call_func(req, *args, **kw)
placement/wsgi_wrapper.py 29 call_func super(PlacementWsgify, self).call_func(req, *args, **kwargs)
webob/dec.py 193 call_func return self.func(req, *args, **kwargs)
placement/util.py 64 decorated_function return f(req)
""")
"""placement's filters and its dispatcher."""

# --- what runs flows of tasks --------------------------------------------------------------------------------------

TASKFLOW = _frames("""
taskflow/engines/action_engine/engine.py 247 run for _state in self.run_iter(timeout=timeout):
taskflow/engines/action_engine/engine.py 340 run_iter failure.Failure.reraise_if_any(er_failures)
taskflow/types/failure.py 338 reraise_if_any failures[0].reraise()
taskflow/types/failure.py 350 reraise raise value
""")
"""A flow of tasks, after one of them has failed."""
TASK = _frames("""
taskflow/engines/action_engine/executor.py 52 _execute_task result = task.execute(**arguments)
""")
"""One task."""
