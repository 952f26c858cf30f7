from runtime.process import run
from session_service.app import SERVICE

run(SERVICE)
