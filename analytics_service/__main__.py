from analytics_service.app import SERVICE
from runtime.process import run

run(SERVICE)
